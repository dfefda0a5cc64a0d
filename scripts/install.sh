#!/usr/bin/env bash
# Install fleetpulse with EXTRAS into the virtual environment VENV, made first if need be.
# usage: scripts/install.sh VENV EXTRAS
set -euo pipefail
venv=$1 extras=$2

# 3.11 first: the versions in requirements.txt were tried with it.
find_python() {
    local python
    for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "fleetpulse needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3.11" >&2
    return 1
}

make_venv() {
    local python
    python=$(find_python)
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "$("$python" --version) has no venv module; on Debian or Ubuntu: sudo apt install" \
            "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')" >&2
        return 1
    fi
    echo "Making a virtual environment in $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
}

"$venv/bin/python" -c '' 2>/dev/null || make_venv
echo "Installing fleetpulse [$extras] into $venv; the first time takes a minute or two"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint requirements.txt --editable ".[$extras]"
