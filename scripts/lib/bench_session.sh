# shellcheck shell=bash disable=SC2154
# Inside the namespaces of scripts/bench: a registry on their loopback, with all the images; then the measuring.
#
# usage: bench_session.sh WORK LAYOUT... -- ARGUMENT...
#
# WORK/registries is the registry's state, which the caller stops. ARGUMENTs are python3 -m bench's.
set -euo pipefail
# shellcheck source=lib/messages.sh
. "$(dirname "$0")/messages.sh"

work=$1
shift
layouts=()
while [ "$1" != -- ]; do
    layouts+=("$1")
    shift
done
shift

ip link set lo up
fixtures=$("$top/scripts/registry" start --state "$work/registries" --images "${layouts[0]}" --only plain)
address=$(sed -n 's/.*"plain": {"address": "\([^"]*\)".*/\1/p' "$fixtures")
arguments=(--layout "${layouts[0]}")
for layout in "${layouts[@]:1}"; do
    while read -r name; do
        quietly skopeo copy -q --dest-tls-verify=false --insecure-policy --preserve-digests \
            "oci:$layout:$name" "docker://$address/$name" || fail "could not push $name"
    done < <(sed -n 's/.*"org.opencontainers.image.ref.name": "\(.*\)".*/\1/p' "$layout/index.json")
    arguments+=(--layout "$layout")
done
PYTHONPATH=$top/scripts/lib exec /usr/bin/python3 -B -m bench --work "$work/m" --fixtures "$fixtures" "${arguments[@]}" "$@"
