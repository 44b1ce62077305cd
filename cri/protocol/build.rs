//! Generates the messages, clients and service traits from `proto/`, without a protoc, and keeps the descriptors
//! for whoever needs the messages' fields by name.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let folder = Path::new("proto");
    let descriptors = protox::compile(["services.proto"], [folder])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        // Secrets: `src/auth.rs` shows them as present only.
        .skip_debug(["runtime.v1.AuthConfig"])
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
