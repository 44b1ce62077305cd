# Debian packages: installed when the machine itself needs them, only unpacked when they
# go into images or serve the tests, so that no service of theirs ever runs here.
# shellcheck shell=bash disable=SC2034,SC2154

# The link step, and the C that some crates bundle.
build_packages=(gcc libc6-dev)
# What builds and serves the images of a loopback mirror.
mirror_packages=(binutils openssl python3 skopeo)
# The peers whose results the tests expect, and what the tests look with.
test_packages=(acl aardvark-dns attr busybox-static conmon conntrack containerd crun curl e2fsprogs git iperf3 iproute2 iptables jq
    libcap2-bin netavark nftables pigz podman procps runc shellcheck strace tar time tmux umoci util-linux zstd)
# What `scripts/fuzz` builds its fuzzers with, and what they run.
fuzz_packages=(g++ tar util-linux)
# Never installed: they go into images, or run from where they were unpacked.
unpacked_packages=(busybox-static docker-registry gosu lighttpd postgresql-15 postgresql-client-15 redis-server redis-tools)

# What `scripts/capture-docker` runs.
docker_packages=(docker.io iptables)

# Prints those of the named packages that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            printf '%s\n' "$package"
    done
}

require_debian() {
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
        fail "this machine has no apt-get; the set-up is written for Debian 12 (see docs/development.md for the list of what is needed)"
}

# Runs apt-get, after one `update` when package lists are missing or stale.
apt_get() {
    export DEBIAN_FRONTEND=noninteractive
    if ! quietly apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" 2>/dev/null; then
        quietly apt-get -q update || fail "apt-get update failed: is the network reachable?"
        quietly apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" || fail "apt-get $* failed"
    fi
}

# Installs what is missing of the named packages, without starting any service.
install_packages() {
    require_debian
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] ||
        fail "Debian packages are missing; as root: apt-get install ${missing[*]}"
    step "installing ${missing[*]}"
    local policy=/usr/sbin/policy-rc.d shim=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\n# Put here by isopod'\''s scripts/setup while packages are installed.\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        shim=$policy
    fi
    # In a subshell, so that a failure too takes the shim away.
    local code=0
    (apt_get install --no-install-recommends "${missing[@]}") || code=$?
    [ -z "$shim" ] || rm -f "$shim"
    return "$code"
}

# unpack_packages NAME PACKAGE...: unpacks them with everything they depend on below
# $fixtures_dir/NAME, once: with an empty status file apt-get resolves as if nothing were installed.
unpack_packages() {
    local root=$fixtures_dir/$1
    shift
    # Unpacked before a package was added to the list, it is unpacked again.
    [ "$(cat "$root/complete" 2>/dev/null)" != "$*" ] || return 0
    require_debian
    step "fetching $* (unpacked under $root, not installed)"
    local work=$root.new
    rm -rf "$work" "$root"
    mkdir -p "$work/archives/partial" "$work/root"
    : >"$work/status"
    apt_get -o APT::Sandbox::User=root -o Dir::State::status="$work/status" \
        -o Dir::Cache::archives="$work/archives" -o Debug::NoLocking=1 \
        --no-install-recommends --download-only install "$@"
    local archive
    for archive in "$work"/archives/*.deb; do
        case ${archive##*/} in
        # Only maintainer scripts need these; they make up half of what was fetched.
        perl* | libperl* | dpkg_* | debconf_* | tar_* | passwd_* | adduser_*) continue ;;
        # Only the database's compiler of queries needs these, which no image has.
        libllvm* | libz3-*) continue ;;
        esac
        dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$work/root" --no-same-owner --keep-directory-symlink
        dpkg-deb -f "$archive" Package Version | awk '{print $2}' | paste -sd' ' >>"$work/root/versions"
    done
    rm -rf "$work/archives" "$work/status"
    printf '%s\n' "$*" >"$work/root/complete"
    mv "$work/root" "$root"
    rmdir "$work"
}
