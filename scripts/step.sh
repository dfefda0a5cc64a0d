#!/usr/bin/env bash
# Run COMMAND as a named step of the gate, and say how long it took.
# usage: scripts/step.sh NAME COMMAND...
set -uo pipefail
name=$1
shift
echo "== $name"
start=$SECONDS
"$@"
status=$?
echo "== $name: $([[ $status == 0 ]] && echo ok || echo "FAILED ($status)"), $((SECONDS - start)) s"
exit $status
