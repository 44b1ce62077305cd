# Processes that outlive the script that started them: recorded by id and start time,
# so that a later stop can't hit another process that got the same id.
# shellcheck shell=bash disable=SC2034,SC2154

# Field 22 of /proc/<pid>/stat (proc(5)); the name in field 2 may hold spaces. Prints
# nothing for a process that is gone, or dead and only not yet reaped.
started_at() {
    local stat
    local -a fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    read -r -a fields <<<"${stat##*) }"
    [ "${fields[0]}" = Z ] || printf '%s\n' "${fields[19]}"
}

# start_recorded FILE LOG COMMAND...: runs it in a session of its own.
start_recorded() {
    local file=$1 log=$2
    shift 2
    setsid "$@" >"$log" 2>&1 </dev/null &
    printf '%s %s\n' "$!" "$(started_at $!)" >"$file"
}

is_running() {
    local pid start
    [ -e "$1" ] && read -r pid start <"$1" || return 1
    [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ]
}

# Ends what FILE records: first by request, after five seconds by force.
stop_recorded() {
    local pid start try
    if is_running "$1"; then
        read -r pid start <"$1"
        kill "$pid" 2>/dev/null || true
        for try in {1..100}; do
            is_running "$1" || break
            [ "$try" -lt 100 ] || kill -9 "$pid" 2>/dev/null || true
            sleep 0.05
        done
    fi
    rm -f "$1"
}

# wait_for_line LOG PATTERN RECORD: prints the first match of the sed pattern's group.
wait_for_line() {
    local found
    for _ in {1..200}; do
        found=$(sed -n "s/.*$2.*/\1/p" "$1" 2>/dev/null | head -n1)
        [ -z "$found" ] || { printf '%s\n' "$found" && return 0; }
        is_running "$3" || break
        sleep 0.05
    done
    cat "$1" >&2
    fail "a process did not come up; its log is above ($1)"
}
