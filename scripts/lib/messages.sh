# How every script speaks: steps and failures to stderr, the usage from the script's own head.
# shellcheck shell=bash disable=SC2034,SC2154

program=$(basename "$0")
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }

step() { printf '%s\n' "==> $*" >&2; }

fail() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# A wrong call is not a failed run: scripts that call us can tell them apart.
misuse() {
    printf '%s: %s (see %s --help)\n' "$program" "$*" "$program" >&2
    exit 2
}

# Prints the comment block at the head of the script, which is its manual.
usage() {
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
}

# Runs a command whose output only matters when it fails.
quietly() {
    local log
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        rm -f "$log"
    else
        local code=$?
        cat "$log" >&2
        rm -f "$log"
        return "$code"
    fi
}
