#!/usr/bin/env bash
# Become COMMAND, and see to it that it ends with the `make` that called this.
# usage: exec scripts/up.sh COMMAND...   (in a recipe, so that the parent process is make)
#
# Ctrl-C reaches make and COMMAND alike, and make passes SIGTERM on. But make passes on neither a
# SIGINT that was sent to it alone (it stops catching SIGINT and waits) nor its own death.
set -euo pipefail
make=$PPID command=$$

catches_sigint() { # whether process $1 lives and has a handler for SIGINT (signal 2: bit 1)
    local mask
    mask=$(awk '/^State:\tZ/ {exit} /^SigCgt:/ {print $2}' "/proc/$1/status" 2>/dev/null) &&
        [[ -n $mask ]] && ((0x$mask & 2))
}

if catches_sigint "$make"; then # not so off Linux, nor where SIGINT is ignored
    (
        trap '' INT
        trap 'exit 0' TERM
        while kill -0 "$command" 2>/dev/null; do
            catches_sigint "$make" || { kill -TERM "$command" 2>/dev/null && break; }
            sleep 1
        done
    ) </dev/null >/dev/null 2>&1 &
fi
exec "$@"
