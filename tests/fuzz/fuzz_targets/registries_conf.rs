//! `registries.conf` and its short names.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::registries_conf(data));
