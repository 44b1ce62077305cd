# The Rust toolchain, and where cargo puts what it builds.
# shellcheck shell=bash disable=SC2034,SC2154

minimum_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$top/Cargo.toml")
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-$top/target}")
fixtures_dir=$target_dir/fixtures

# Cargo may be installed for this user without being on root's PATH.
if ! command -v cargo >/dev/null && [ -x "${HOME:-/root}/.cargo/bin/cargo" ]; then
    PATH=${HOME:-/root}/.cargo/bin:$PATH
fi

require_rust() {
    local advice="install it with rustup: https://rustup.rs, then \`rustup toolchain install stable\`"
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "Rust is missing; version $minimum_rust or newer is needed: $advice"
    local found
    found=$(cd "$top" && rustc --version | awk '{print $2}')
    printf '%s\n%s\n' "$minimum_rust" "${found%%-*}" | sort -C -V ||
        fail "Rust $found is too old, $minimum_rust or newer is needed: $advice"
}

host_triple() { rustc -vV | sed -n 's/^host: //p'; }

# The binary of a profile: `built_binary release`, `built_binary debug`.
built_binary() { printf '%s/%s/%s/isopod\n' "$target_dir" "$(host_triple)" "$1"; }
