//! Generates the messages, clients and service traits from `proto/`, without a protoc.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let folder = Path::new("proto");
    let descriptors = protox::compile(["services.proto"], [folder])?;
    tonic_prost_build::configure()
        // Secrets: `src/auth.rs` shows them as present only.
        .skip_debug(["runtime.v1.AuthConfig"])
        .compile_fds(descriptors)?;
    Ok(())
}
