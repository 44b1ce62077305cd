//! Messages on a monitor's socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::monitor_messages(data));
