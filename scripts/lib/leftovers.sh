# What a run may leave on the machine, as sorted lines, to compare before and after.
# shellcheck shell=bash disable=SC2034,SC2154

# machine_state FOLDER: everything of ours that outlives a command; FOLDER is where the
# run keeps its instances. What other people's work on the machine changes is not shown.
machine_state() {
    local path
    {
        awk -v folder="$1" 'index($2, folder) == 1 || /isopod/ || $3 == "nsfs" {print "mount " $2 " (" $3 ")"}' /proc/mounts
        # Whoever makes a bridge outside a namespace of its own shows in all three.
        printf 'forwarding %s\n' "$(cat /proc/sys/net/ipv4/ip_forward)"
        nft list tables 2>/dev/null | awk '/isopod/ {print "firewall " $0}' || true
        for path in /run/netns/* /sys/class/net/isopod* /sys/class/net/br-* /run/isopod /var/lib/isopod /etc/isopod; do
            [ ! -e "$path" ] || printf 'file %s\n' "$path"
        done
        find /sys/fs/cgroup -type d -path '*isopod*' -printf 'cgroup %p\n' 2>/dev/null || true
        losetup --list --noheadings --output NAME,BACK-FILE 2>/dev/null | awk -v folder="$1" 'index($2, folder) == 1 {print "loop device " $0}'
        awk '$8 ~ /isopod/ {print "socket " $8}' /proc/net/unix
        processes_of "$1"
    } | sort
}

# Processes whose command line or environment names the folder, but not who asks.
processes_of() {
    local process pid
    for process in /proc/[0-9]*; do
        pid=${process#/proc/}
        [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
        grep -qsF -e "$1" "$process/cmdline" "$process/environ" 2>/dev/null || continue
        printf 'process %s %s\n' "$pid" "$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)"
    done
}

# nothing_new BEFORE AFTER: prints what is new, and fails if anything is.
nothing_new() {
    local new
    new=$(comm -13 "$1" "$2")
    [ -z "$new" ] || { printf '%s\n' "$new" && return 1; }
}
