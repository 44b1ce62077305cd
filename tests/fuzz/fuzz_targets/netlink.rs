//! The kernel's answers about devices, rules and connections.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isopod_fuzz_targets::netlink(data));
