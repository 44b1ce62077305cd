# The peers of Debian's unstable branch, unpacked beside the system: nothing of it is installed,
# and no list, archive or source of the machine's own apt is touched.
# shellcheck shell=bash disable=SC2034,SC2154

peers_dir=$target_dir/peers
# What is measured, and what makes it run from where it lies.
peer_packages=(conmon containerd crun docker-cli docker.io libdeflate-tools netavark patchelf podman runc)
peer_programs=(conmon containerd containerd-shim-runc-v2 crun ctr docker docker-proxy dockerd libdeflate-gunzip
    netavark podman runc)

# The address from which the machine itself takes Debian's packages.
debian_mirror() {
    local mirror
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
        awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
    [ -n "$mirror" ] || fail "the machine's apt sources name no Debian archive"
    printf '%s\n' "${mirror%/}"
}

# sid_options DIR: sets `own` to what has apt-get see Debian's unstable branch and nothing else, all its state below DIR.
sid_options() {
    local apt=$1
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    # With an empty status file apt-get resolves as if nothing were installed.
    own=(-o Dir::Etc::sourcelist="$apt/sid.sources" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
        -o Dir::State::extended_states="$apt/extended_states"
        -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives"
        -o APT::Sandbox::User=root -o Debug::NoLocking=1)
    printf '%s\n' "Types: deb" "URIs: $(debian_mirror)" "Suites: sid" "Components: main" \
        "Targets: Packages" "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" >"$apt/sid.sources"
}

# unpack_peers: leaves the programs in $peers_dir/sid/bin. Once: later calls find them there.
unpack_peers() {
    local root=$peers_dir/sid
    local key="$root ${peer_packages[*]} ${peer_programs[*]}"
    [ "$(cat "$root/complete" 2>/dev/null)" != "$key" ] || return 0
    require_debian
    step "fetching ${peer_packages[*]} of Debian's unstable branch (unpacked under $root, not installed)"
    local apt=$peers_dir/apt
    rm -rf "$apt" "$root"
    mkdir -p "$root/bin"
    local -a own
    sid_options "$apt"
    quietly apt-get -q "${own[@]}" update || fail "the lists of Debian's unstable branch can't be had: is the network reachable?"
    quietly apt-get -q -y "${own[@]}" --no-install-recommends --download-only install "${peer_packages[@]}" ||
        fail "the packages of Debian's unstable branch can't be had"
    local archive
    for archive in "$apt"/archives/*.deb; do
        case ${archive##*/} in
        # What only maintainer scripts, or a machine of its own, would need.
        debconf_* | dirmngr_* | dpkg_* | gnupg* | gpg-agent_* | gpgsm_* | iptables_* | perl* | pinentry* | systemd_* | sysvinit-utils_*) continue ;;
        esac
        dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$root" --no-same-owner --keep-directory-symlink
    done
    rm -rf "$apt"
    run_from_here "$root"
    printf '%s\n' "$key" >"$root/complete"
}

# Their loader and libraries are those beside them, by their own headers: a loader that is
# called with the program as its argument would be what /proc/self/exe names, and runtimes start
# themselves anew by that. DT_RPATH, as DT_RUNPATH says nothing to libraries about theirs.
run_from_here() {
    local root=$1 libraries loader program path
    local -a patch
    libraries=$(dirname "$(find "$root/usr/lib" -name libc.so.6 | head -n1)")
    loader=$(find "$libraries" -name 'ld-linux*.so.*' | head -n1)
    [ -x "$loader" ] || fail "no dynamic loader among the unpacked packages"
    for program in "${peer_programs[@]}"; do
        path=$(find "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib/podman" "$root/usr/libexec" -name "$program" \
            \( -type f -o -type l \) 2>/dev/null | head -n1)
        [ -n "$path" ] || fail "$program is in none of the unpacked packages"
        cp -L "$path" "$root/bin/$program"
        # What is linked statically has no loader.
        readelf -Wl "$root/bin/$program" | grep -q INTERP || continue
        # One after the other, in this order: both at once, it writes a podman that crashes.
        patch=("$loader" --library-path "$libraries" "$root/usr/bin/patchelf")
        "${patch[@]}" --force-rpath --set-rpath "$libraries" "$root/bin/$program"
        "${patch[@]}" --set-interpreter "$loader" "$root/bin/$program"
        "$root/bin/$program" --help >/dev/null 2>&1 || [ $? -lt 126 ] || fail "$program does not run from $root"
    done
    find "$root" -mindepth 1 -maxdepth 1 ! -name bin ! -name usr -exec rm -rf {} +
    find "$root/usr" -mindepth 1 -maxdepth 1 ! -name lib ! -name share -exec rm -rf {} +
    find "$root/usr/share" -mindepth 1 -maxdepth 1 ! -name containers -exec rm -rf {} +
}

# unpack_clients: what the streaming server is tested against, without anything it depends on, below $peers_dir. Once.
# kubectl/bookworm/kubectl speaks SPDY only, kubectl/sid/kubectl both; websocket/ is the library of Kubernetes' Python client.
unpack_clients() {
    local root=$peers_dir/clients apt=$peers_dir/apt-clients
    [ ! -e "$root/complete" ] || return 0
    require_debian
    step "fetching kubectl, old and new, and python3-websocket (unpacked under $root, not installed)"
    rm -rf "$root" "$apt"
    mkdir -p "$root/kubectl/bookworm" "$root/kubectl/sid" "$apt/bookworm" "$apt/sid"
    local -a own
    (cd "$apt/bookworm" && apt_get -o APT::Sandbox::User=root download kubernetes-client/bookworm python3-websocket/bookworm) ||
        fail "kubernetes-client and python3-websocket of Debian 12 can't be had"
    sid_options "$apt"
    quietly apt-get -q "${own[@]}" update || fail "the lists of Debian's unstable branch can't be had: is the network reachable?"
    (cd "$apt/sid" && quietly apt-get -q "${own[@]}" download kubectl) || fail "kubectl of Debian's unstable branch can't be had"
    unpack_path "$apt"/bookworm/kubernetes-client_*.deb ./usr/bin/kubectl "$root/kubectl/bookworm"
    unpack_path "$apt"/sid/kubectl_*.deb ./usr/bin/kubectl "$root/kubectl/sid"
    unpack_path "$apt"/bookworm/python3-websocket_*.deb ./usr/lib/python3/dist-packages/websocket "$root"
    rm -rf "$apt"
    : >"$root/complete"
}

# unpack_path ARCHIVE PATH DIR: what lies at PATH in a package, into DIR.
unpack_path() {
    local depth
    depth=$(tr -cd / <<<"$2" | wc -c)
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$3" --no-same-owner --strip-components="$depth" "$2" ||
        fail "${1##*/} has no $2"
}
