//! An image's configuration, and the specification built from it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::image_config(data));
