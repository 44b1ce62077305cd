//! One direction of a SPDY connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::spdy(data));
