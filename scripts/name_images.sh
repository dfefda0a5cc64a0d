#!/usr/bin/env bash
# Name a commit's images for Terraform: prints the values of `images`, as JSON.
# usage: scripts/name_images.sh NAMESPACE COMMIT
set -euo pipefail
namespace=$1 commit=$2

separator='{"images": {'
for image in api consumer bot notify; do
    printf '%s"%s": "%s/fleetpulse-%s:%s"' "$separator" "$image" "$namespace" "$image" "$commit"
    separator=', '
done
echo '}}'
