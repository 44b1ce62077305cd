//! One file is all there is to install: the binary asks for no loader and no library.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

use std::process::Command;

use isopod_tests::binary;

fn readelf(flags: &str) -> String {
    let told = Command::new("readelf").arg(flags).arg(binary::isopod()).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}

#[test]
fn the_binary_needs_no_loader() {
    let headers = readelf("-Wl");
    assert!(headers.contains("LOAD"), "readelf understood it:\n{headers}");
    assert!(!headers.contains("INTERP"), "it asks for a loader:\n{headers}");
}

#[test]
fn the_binary_needs_no_shared_library() {
    let dynamic = readelf("-Wd");
    assert!(!dynamic.contains("(NEEDED)"), "it asks for libraries:\n{dynamic}");
}
