//! Builds the monitor and hands it to `src/monitor_binary.rs` to be carried inside the program.
//!
//! The monitor is linked and optimised unlike the rest (at a fixed address, for size), so it is built by
//! a cargo of its own, in a target folder of its own: cargo holds a lock on the one that is in use.
//! `ISOPOD_MONITOR_BINARY` names one that was built elsewhere.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

const PREBUILT: &str = "ISOPOD_MONITOR_BINARY";
const PROFILE: &str = "monitor";

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={PREBUILT}");
    let binary = match env::var_os(PREBUILT) {
        Some(path) => PathBuf::from(path),
        None => {
            for source in [
                "Cargo.lock",
                "Cargo.toml",
                "runtime/monitor",
                "runtime/monitor-protocol",
                "runtime/oci",
                "runtime/sys",
                "runtime/systemd",
            ] {
                println!("cargo:rerun-if-changed={}", workspace.join(source).display());
            }
            build(&workspace)?
        }
    };
    println!("cargo:rerun-if-changed={}", binary.display());
    let bytes =
        fs::read(&binary).map_err(|error| format!("cannot read {}: {error}", binary.display()))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("isopod-monitor"), bytes)?;
    println!("cargo:rustc-env=ISOPOD_MONITOR_SHA256={digest}");
    Ok(())
}

fn build(workspace: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let folder = target_folder()?.join("monitor");
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("cargo sets CARGO")?);
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "isopod-monitor",
            "--bin",
            "isopod-monitor",
        ])
        .args(["--profile", PROFILE, "--target", &target])
        .arg("--target-dir")
        .arg(&folder);
    // As the rest of this build has them: see runtime/sys/src/step.rs.
    if env::var("PROFILE")? == "debug" {
        cargo.args(["--features", "steps"]);
    }
    // What describes this package's build must not reach that of another.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let described = ["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PKG_", "CARGO_MANIFEST_", "DEP_"];
        let one =
            ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"];
        if described.iter().any(|prefix| text.starts_with(prefix)) || one.contains(&text.as_ref()) {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("building the monitor failed: {status}").into());
    }
    Ok(folder.join(target).join(PROFILE).join("isopod-monitor"))
}

/// The folder that holds `<triple>/<profile>/build/<package>/out`.
fn target_folder() -> Result<PathBuf, Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    Ok(out.ancestors().nth(5).ok_or("OUT_DIR lies deep in a target folder")?.to_owned())
}
