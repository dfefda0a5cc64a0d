#!/usr/bin/env bash
# Build the images without a Docker engine, start each, and look at what it holds.
# usage, as root or with sudo, after `make check`: scripts/try_images.sh [FOLDER]...
# Without folders, all that have a Dockerfile. The base is made of Debian's packages, once a month,
# and has the name of the one in the Dockerfiles.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
images=("$@")
((${#images[@]})) || mapfile -t images < <(git ls-files '*Dockerfile' | xargs dirname)
python=${PYTHON:-.venv/bin/python}
cache=${FLEETPULSE_CACHE:-$HOME/.cache/fleetpulse}/images
needs=(buildah mmdebstrap debian-archive-keyring iproute2)
work=$(mktemp -d)
base=$(sed -n 's/^ARG BASE=\([^@]*\).*/\1/p' api/Dockerfile)
release=${base##*-}
# Times in an image are those of its commit.
commit_time=$(git log -1 --format=%ct)
# How this machine reaches package registries, where it needs to be told.
known=()
for path in /etc/pip.conf /etc/ssl/certs; do
    [[ -e $path ]] && known+=(--volume "$path:$path:ro")
done

[[ $(id -u) == 0 ]] || exec sudo --preserve-env=HOME,PYTHON,PYTHONPATH,CI "$0" "$@"
trap finish EXIT

finish() {
    tool umount --all >/dev/null 2>&1 || true
    rm -rf "$work"
}

tool() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }

install_needs() {
    command -v buildah >/dev/null && command -v mmdebstrap >/dev/null && command -v ip >/dev/null && return
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${needs[@]}"
}

# Overlay shares files between images; where the kernel lets no mount, copies do.
choose_storage() {
    local container
    export STORAGE_DRIVER=overlay
    if container=$(tool from scratch 2>/dev/null) && tool mount "$container" >/dev/null 2>&1; then
        tool rm "$container" >/dev/null
    else
        rm -rf "$work/storage" "$work/run"
        export STORAGE_DRIVER=vfs
    fi
}

make_base() {
    local container sources=/etc/apt/sources.list.d/debian.sources tar
    tar=$cache/$release-$(date +%Y%m).tar
    if [[ ! -e $tar ]]; then
        mkdir -p "$cache"
        grep -qs "$release" "$sources" || sources=
        SOURCE_DATE_EPOCH=$commit_time mmdebstrap --quiet --variant=minbase "$release" \
            "$work/base.tar" ${sources:+"$sources"} \
            --include=python3,python3-venv,python-is-python3,ca-certificates,passwd
        mv "$work/base.tar" "$tar"
    fi
    container=$(tool from scratch)
    tool add -q "$container" "$tar" / >/dev/null
    tool commit -q --rm "$container" "docker.io/library/$base" >/dev/null
}

try_image() {
    local folder=$1 container name
    name=localhost/fleetpulse-${folder//\//-}
    tool bud -q --pull-never --format docker --isolation chroot --network host "${known[@]}" \
        --timestamp "$commit_time" --build-arg "BASE=$base" \
        -f "$folder/Dockerfile" -t "$name" . >/dev/null
    container=$(tool from --pull-never "$name")
    tool inspect "$container" >"$work/settings.json"
    "$python" -m scripts.image_trial "$folder" "$(tool mount "$container")" "$work/settings.json" \
        "$(tool mount "$(tool from --pull-never "docker.io/library/$base")")"
    tool rm "$container" >/dev/null
}

install_needs
choose_storage
make_base
echo "base: $SECONDS s ($STORAGE_DRIVER)"
for image in "${images[@]}"; do
    began=$SECONDS
    try_image "$image"
    echo "$image: $((SECONDS - began)) s"
done
echo "all images: $SECONDS s"
