//! The files between monitors and commands.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::monitor_files(data));
