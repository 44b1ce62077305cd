//! A bundle's `config.json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::oci_spec(data));
