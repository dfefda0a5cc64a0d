#!/usr/bin/env bash
# Build the images without a Docker engine, start each, and ask for its health as Docker would.
# usage, as root on Debian with buildah and mmdebstrap: scripts/try_images.sh [FOLDER]...
# FOLDER: api, bot, consumer, generators or fleetpulse/actions; without one, all of them.
# The base is made of Debian's packages and has the name of the one in the Dockerfiles.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
images=("$@")
((${#images[@]})) || images=(api bot consumer generators fleetpulse/actions)
export STORAGE_DRIVER=vfs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base=$(sed -n 's/^ARG BASE=//p' api/Dockerfile)
release=${base##*-}
# How this machine reaches package registries, where it needs to be told.
known=()
for path in /etc/pip.conf /etc/ssl/certs; do
    [[ -e $path ]] && known+=(--volume "$path:$path:ro")
done

tool() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }

in_image() { # CONTAINER WORD...: as its own user, in this machine's network, on ports of our own
    tool run --isolation chroot --network host --env FLEETPULSE_PORT=18000 \
        --env FLEETPULSE_OPS_PORT=18001 --env KAFKA_BROKER_SETTINGS=127.0.0.1:9 \
        --env FLEETPULSE_NOTIFY=nobody=json://127.0.0.1:9 "$@"
}

make_base() {
    local container sources=/etc/apt/sources.list.d/debian.sources
    [[ -e $sources ]] || sources=
    mmdebstrap --quiet --variant=minbase "$release" "$work/base.tar" \
        ${sources:+"$sources"} \
        --include=python3,python3-venv,python-is-python3,ca-certificates,passwd
    container=$(tool from scratch)
    tool add -q "$container" "$work/base.tar" / >/dev/null
    tool commit -q --rm "$container" "docker.io/library/$base" >/dev/null
    rm "$work/base.tar"
}

try_image() {
    local folder=$1 name=${1//\//-} container health process words=()
    tool bud -q --pull-never --format docker --isolation chroot --network host "${known[@]}" \
        -f "$folder/Dockerfile" -t "fleetpulse-$name" . >/dev/null
    container=$(tool from --pull-never "localhost/fleetpulse-$name")
    case $folder in consumer) words=(hardware) ;; generators) words=(pc) ;; esac
    [[ $(in_image "$container" -- id -u) == 10001 ]] || fail "$folder runs as another user"
    if in_image "$container" -- test -w /opt/fleetpulse 2>/dev/null; then
        fail "$folder may change its own program"
    fi
    # It ends by itself, told to stop as Docker does.
    in_image "$container" -- timeout --preserve-status 20 python -m "${folder//\//.}" "${words[@]}" \
        >"$work/output" 2>&1 &
    process=$!
    mapfile -t health < <(tool inspect "$container" | python3 -c 'import json, sys
print(*json.load(sys.stdin)["Docker"]["config"]["Healthcheck"]["Test"][1:], sep="\n")')
    ((${#health[@]})) || fail "$folder has no health check"
    until in_image "$container" -- "${health[@]}" 2>/dev/null; do
        kill -0 "$process" 2>/dev/null || fail "$folder has ended: $(cat "$work/output")"
        sleep 0.5
    done
    wait "$process" || fail "$folder did not stop in peace: $(cat "$work/output")"
    tool rm "$container" >/dev/null
    echo "$folder: healthy, $(tool images --format '{{.Size}}' "localhost/fleetpulse-$name")"
}

fail() {
    echo "$1" >&2
    exit 1
}

make_base
for image in "${images[@]}"; do try_image "$image"; done
