//! A registry's `hosts.toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::hosts_toml(data));
