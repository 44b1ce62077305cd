//! Where the binary under test is.

use std::path::{Path, PathBuf};

/// The folder that holds the workspace's `Cargo.toml`.
pub fn workspace() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate lies one folder below the workspace").to_owned()
}

/// `ISOPOD_TEST_BINARY`, else the binary built beside this test, in the same profile.
pub fn isopod() -> PathBuf {
    let binary = match std::env::var_os("ISOPOD_TEST_BINARY") {
        Some(named) => PathBuf::from(named),
        None => beside_the_test("isopod"),
    };
    assert!(
        binary.is_file(),
        "{} is not built: run scripts/test, or `cargo build -p isopod` first",
        binary.display()
    );
    binary
}

/// A file of the profile's folder: tests run from `<target>/<triple>/<profile>/deps`.
fn beside_the_test(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test runs from a file");
    let profile = test.parent().and_then(Path::parent).expect("tests lie two folders deep");
    profile.join(name)
}

/// Where `scripts/` keeps images and registries: `<target>/fixtures`.
pub(crate) fn fixtures_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target).join("fixtures"),
        None => workspace().join("target/fixtures"),
    }
}
