#!/usr/bin/env bash
# Plan what an apply of a commit would change on AWS, and show it in the job's summary.
# usage: scripts/plan.sh ENVIRONMENT NAMESPACE COMMIT
# NAMESPACE is that of the images; empty, those are planned that the values of the environment name.
# The state is not locked: who may only read cannot.
set -euo pipefail
environment=$1 namespace=$2 commit=$3
cd "$(dirname "${BASH_SOURCE[0]}")/../iac"

values=(-var-file="envs/$environment/terraform.tfvars")
if [[ $namespace ]]; then
    ../scripts/name_images.sh "$namespace" "$commit" >images.tfvars.json
    values+=(-var-file=images.tfvars.json)
fi
{
    echo '```'
    terraform plan -input=false -no-color -lock=false "${values[@]}"
    echo '```'
} | tee "$GITHUB_STEP_SUMMARY"
