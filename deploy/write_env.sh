#!/usr/bin/env bash
# Write deploy/.env, which only its owner can read: new keys and passwords, and what the environment
# gives of the other lines of .env.example. What a file that is there says, stays.
# usage: [TELEGRAM_TOKEN=… FLEETPULSE_NOTIFY=… …] deploy/write_env.sh [FILE]
set -euo pipefail
umask 077
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${1:-$folder/.env}
partial=$target.partial
trap 'rm -f "$partial"' EXIT

secret() { od -An -v -N 24 -t x1 /dev/urandom | tr -d ' \n'; }

profiles() { # a machine to look at, and who has something to do
    local found=(simulated)
    [[ -z ${TELEGRAM_TOKEN:-} ]] || found+=(telegram)
    [[ -z ${FLEETPULSE_NOTIFY:-} ]] || found+=(notify)
    (IFS=, && echo "${found[*]}")
}

value_of() { # NAME GENERATED
    if [[ $1 == COMPOSE_PROFILES ]]; then
        profiles
    elif [[ -n $2 ]]; then
        secret
    elif [[ ${!1-} == *[\'$'\n']* ]]; then
        echo "$1: a quote or a line's end cannot be written there." >&2
        return 1
    elif [[ -n ${!1-} ]]; then
        printf "'%s'\n" "${!1}"
    fi
}

: >"$partial"
[[ ! -e $target ]] || cat "$target" >"$partial"
generated= comment=
while IFS= read -r line; do
    case $line in
        '# Generated.'*) generated=yes comment=$line ;;
        '#'*) comment+=${comment:+$'\n'}$line ;;
        *=*)
            name=${line%%=*}
            if ! grep -q "^$name=" "$partial"; then
                value=$(value_of "$name" "$generated")
                printf '%s%s=%s\n' "${comment:+$comment$'\n'}" "$name" "$value" >>"$partial"
            fi
            comment=
            ;;
        *)
            generated= comment=
            [[ -e $target ]] || echo >>"$partial"
            ;;
    esac
done <"$folder/.env.example"
chmod 600 "$partial"
mv "$partial" "$target"
echo "$target is written; only you can read it."
