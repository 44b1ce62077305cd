//! A container's log.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::log_file(data));
