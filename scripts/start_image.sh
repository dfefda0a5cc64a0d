#!/usr/bin/env bash
# Start an image as it is meant to run, wait until it is healthy, and see that it ends well.
# usage: scripts/start_image.sh IMAGE PLATFORM [WORD...]
# WORDS are what its process is started with. It is given nobody to talk to.
set -euo pipefail
image=$1 platform=$2 words=("${@:3}")
until_s=$((SECONDS + ${PATIENCE_S:-180})) # an emulated processor is slow

give_up() {
    echo "$image on $platform: $1" >&2
    docker logs tried >&2
    exit 1
}

state() { docker inspect --format "{{.State.$1}}" tried; }

docker run --detach --name tried --platform "$platform" --read-only --tmpfs /tmp \
    --tmpfs /data:uid=10001,gid=10001,mode=750 --cap-drop ALL \
    --security-opt no-new-privileges --health-interval 2s --health-timeout 30s \
    --env KAFKA_BROKER_SETTINGS=127.0.0.1:9 \
    --env FLEETPULSE_NOTIFY=nobody=json://127.0.0.1:9 "$image" "${words[@]}"
until [[ $(state Health.Status) == healthy ]]; do
    [[ $(state Running) == true ]] || give_up "it ended with $(state ExitCode)"
    ((SECONDS < until_s)) || give_up "it did not become healthy"
    sleep "${PAUSE_S:-2}"
done
docker stop --timeout 60 tried
ended=$(state ExitCode)
[[ $ended == 0 ]] || give_up "it ended with $ended"
docker rm tried
