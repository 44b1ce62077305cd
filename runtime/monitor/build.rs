//! Links the monitor at a fixed address: a position-independent executable would relocate
//! itself at each start, and every monitor would own a private copy of those pages.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for argument in ["-static", "-no-pie"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
