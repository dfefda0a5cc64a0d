#!/usr/bin/env bash
# Wait until a commit's images are in the registry, and name them for Terraform.
# usage: scripts/wait_for_images.sh NAMESPACE COMMIT FILE IMAGE...
# They are built beside each other, so one may be there before the rest.
set -euo pipefail
namespace=$1 commit=$2 file=$3 images=("${@:4}")
((${#images[@]})) || exit 2
until_s=$((SECONDS + ${PATIENCE_S:-2400}))

for image in "${images[@]}"; do
    until docker buildx imagetools inspect "$namespace/fleetpulse-$image:$commit" >/dev/null 2>&1; do
        if ((SECONDS >= until_s)); then
            echo "There is no image fleetpulse-$image of $commit" >&2
            exit 1
        fi
        sleep "${PAUSE_S:-20}"
    done
done
{
    separator='{"images": {'
    for image in "${images[@]}"; do
        printf '%s"%s": "%s/fleetpulse-%s:%s"' "$separator" "$image" "$namespace" "$image" "$commit"
        separator=', '
    done
    echo '}}'
} >"$file"
