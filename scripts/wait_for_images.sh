#!/usr/bin/env bash
# Wait until a commit's images are in the registry.
# usage: scripts/wait_for_images.sh NAMESPACE COMMIT IMAGE...
# They are built beside each other, so one may be there before the rest.
set -euo pipefail
namespace=$1 commit=$2 images=("${@:3}")
((${#images[@]})) || exit 2
until_s=$((SECONDS + ${PATIENCE_S:-2400}))

for image in "${images[@]}"; do
    until said=$(docker buildx imagetools inspect "$namespace/fleetpulse-$image:$commit" 2>&1); do
        if ((SECONDS >= until_s)); then
            echo "There is no image fleetpulse-$image of $commit; the registry said last:" >&2
            echo "$said" >&2
            exit 1
        fi
        sleep "${PAUSE_S:-20}"
    done
done
