# A machine for tests: its kernel, what it boots with, and its start and end.
# shellcheck shell=bash disable=SC2034,SC2154

vm_packages=(qemu-system-x86 e2fsprogs busybox-static jq)
vm_dir=$target_dir/vm
kernel_dir=$vm_dir/kernel
# What takes the machine to its files; the rest is loaded from there.
early_modules=(virtio_pci virtio_blk virtiofs overlay)
virtiofsd=/usr/lib/qemu/virtiofsd
machine_processes=()

# Debian's newest kernel for virtual machines; fetched again when Debian has another one.
unpack_kernel() {
    local package
    if [ -e "$kernel_dir/release" ]; then return; fi
    [ -n "$(apt-cache --names-only search '^linux-image-cloud-amd64$')" ] || apt_get update
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n1)
    [ -n "$package" ] || fail "Debian's packages have no linux-image-cloud-amd64"
    step "fetching $package (unpacked under $kernel_dir, not installed)"
    rm -rf "$kernel_dir" "$kernel_dir.new"
    mkdir -p "$kernel_dir.new"
    # What loads profiles comes along: it has no place on this machine, which may have none of AppArmor.
    (cd "$kernel_dir.new" && quietly apt-get -q -o APT::Sandbox::User=root download "$package" apparmor &&
        for archive in ./*.deb; do dpkg-deb -x "$archive" . && rm "$archive"; done) ||
        fail "$package and apparmor can't be fetched"
    local release=${package#linux-image-}
    busybox depmod -b "$kernel_dir.new" "$release"
    printf '%s\n' "$release" >"$kernel_dir.new/release"
    mv "$kernel_dir.new" "$kernel_dir"
}

kernel_modules() { printf '%s/lib/modules/%s' "$kernel_dir" "$(cat "$kernel_dir/release")"; }

make_initramfs() {
    local tree=$work/initramfs name release
    release=$(cat "$kernel_dir/release")
    mkdir -p "$tree/bin" "$tree/lib/modules/$release"
    cp /bin/busybox "$tree/bin/busybox"
    cp "$top/scripts/lib/vm/init" "$tree/init"
    # A line of modules.dep names a module and all that it needs.
    for name in "${early_modules[@]}"; do
        grep "/$name.ko:" "$(kernel_modules)/modules.dep" || fail "the kernel has no module $name"
    done | tr -d ':' | tr ' ' '\n' | sort -u | sed '/^$/d' |
        (cd "$(kernel_modules)" && xargs cp --parents -t "$tree/lib/modules/$release")
    busybox depmod -b "$tree" "$release"
    printf 'TOP=%s\nKERNEL=%s\nEARLY="%s"\n' "$top" "$kernel_dir" "${early_modules[*]}" >"$tree/settings"
    (cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initramfs.gz"
}

# share NAME FOLDER: serves a folder to the machine by this name.
share() {
    "$virtiofsd" --socket-path="$work/$1.sock" -o "source=$2" -o cache=auto -o xattr -f -o log_level=warn \
        </dev/null >"$work/$1.log" 2>&1 &
    machine_processes+=($!)
}

# This machine's files as they can be shared: nobody writes through them. What is mounted
# below comes along only where a test needs it.
share_files() {
    local view=$work/view needed mount
    mkdir "$view"
    # In a mount namespace of its own, which goes with the process.
    # shellcheck disable=SC2016 # that shell is to expand them
    unshare --mount --propagation private bash -c '
        set -e
        view=$1 socket=$2
        mount --bind / "$view" && mount -o remount,bind,ro "$view"
        shift 2
        for needed in "$@"; do
            mount=$(stat -c %m "$needed")
            [ "$mount" = / ] || { mount --bind "$mount" "$view$mount" && mount -o remount,bind,ro "$view$mount"; }
        done
        exec "$virtiofsd" --socket-path="$socket" -o "source=$view" -o cache=always -o xattr -f -o log_level=warn' \
        share "$view" "$work/host.sock" "$top" "$target_dir" </dev/null >"$work/host.log" 2>&1 &
    machine_processes+=($!)
}

# A disk for one run; it outlives a reboot.
make_disk() {
    truncate -s 8G "$work/disk"
    mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 "$work/disk"
}

# start_machine [WORD...]: with these words for the kernel.
start_machine() {
    local try
    export virtiofsd
    rm -rf "$work"/*.sock "$work/view"
    machine_processes=()
    share_files
    share report "$work/report"
    for try in {1..100}; do
        [ ! -S "$work/host.sock" ] || [ ! -S "$work/report.sock" ] || break
        [ "$try" -lt 100 ] || { cat "$work"/*.log >&2 && fail "virtiofsd doesn't come up"; }
        sleep 0.1
    done
    # /dev/kvm is never asked for: where it is, it may not work.
    qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3G -nographic -no-reboot -nodefaults \
        -kernel "$kernel_dir/boot/vmlinuz-$(cat "$kernel_dir/release")" -initrd "$work/initramfs.gz" \
        -append "console=ttyS0 quiet panic=1 apparmor=1 security=apparmor cgroup_no_v1=all random.trust_cpu=1 no_timer_check mitigations=off $*" \
        -object memory-backend-memfd,id=memory,size=3G,share=on -machine q35,memory-backend=memory \
        -chardev "socket,id=host,path=$work/host.sock" -device vhost-user-fs-pci,chardev=host,tag=host \
        -chardev "socket,id=report,path=$work/report.sock" -device vhost-user-fs-pci,chardev=report,tag=report \
        -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe" \
        -serial "file:$work/console" </dev/null >"$work/qemu.log" 2>&1 &
    machine=$!
    machine_processes+=("$machine")
}

# await_machine SECONDS: shows what the machine says until it is off; 1 when it takes longer.
await_machine() {
    touch "$work/report/log"
    # A second boot goes on in the same log.
    tail -n "+$(($(wc -l <"$work/report/log") + 1))" -F "$work/report/log" --pid "$machine" >&2 2>/dev/null &
    local watcher=$!
    local end=$((SECONDS + $1))
    while kill -0 "$machine" 2>/dev/null && [ "$SECONDS" -lt "$end" ]; do sleep 0.5; done
    ! kill -0 "$machine" 2>/dev/null || { kill "$watcher" && return 1; }
    wait "$watcher" || true
    wait "$machine" || { cat "$work/qemu.log" >&2 && return 1; }
}

stop_machine() {
    local process
    for process in "${machine_processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait "${machine_processes[@]}" 2>/dev/null || true
}
