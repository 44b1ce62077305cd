//! An image's `/etc/passwd` and `/etc/group`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::passwd(data));
