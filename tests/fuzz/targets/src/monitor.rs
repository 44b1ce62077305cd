//! What monitors and commands read of each other, and a monitor of its bundle: as written, or refused.

use std::fmt::Debug;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

use isopod_monitor_protocol::data;
use isopod_monitor_protocol::filter::Filter;
use isopod_monitor_protocol::frame::{Decoder, FrameError, encode};
use isopod_monitor_protocol::journal::Entry;
use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::message::{Envelope, FromMonitor};
use isopod_monitor_protocol::resolver::Names;
use isopod_monitor_protocol::status::Status;
use isopod_spec::seccomp::Machine;
use isopod_spec::seccomp::bpf::assemble;
use isopod_sys::seccomp::Instruction;
use oci_spec::runtime::Spec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::scratch;

#[allow(dead_code, missing_docs, clippy::all, reason = "a part of the monitor, checked there")]
#[path = "../../../../runtime/monitor/src/spec.rs"]
mod bundle;

/// What arrives on a monitor's socket (an even first byte), or on a command's; in pieces as long as that byte says.
pub fn monitor_messages(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let piece = usize::from(first >> 1).max(1);
    if first % 2 == 0 {
        receive::<Envelope>(bytes, piece)
    } else {
        receive::<FromMonitor>(bytes, piece)
    }
}

fn receive<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8], piece: usize) {
    let (mut from, to) = UnixStream::pair().unwrap();
    let mut decoder = Decoder::default();
    for piece in bytes.chunks(piece) {
        from.write_all(piece).unwrap();
        decoder.receive(&to).unwrap();
        loop {
            match decoder.next_message::<T>() {
                Ok(Some(message)) => says_the_same(&message),
                Ok(None) => break,
                Err(FrameError::TooLarge(_) | FrameError::Malformed(_)) => return,
                Err(other) => panic!("{other:?} of bytes that arrived"),
            }
        }
    }
}

/// Framed again and read by another it is the same message.
fn says_the_same<T: DeserializeOwned + Serialize + PartialEq + Debug>(message: &T) {
    let bytes = encode(message).unwrap();
    let (mut from, to) = UnixStream::pair().unwrap();
    let mut decoder = Decoder::default();
    let mut received = None;
    for piece in bytes.chunks(16 << 10) {
        from.write_all(piece).unwrap();
        decoder.receive(&to).unwrap();
        received = decoder.next_message::<T>().unwrap();
    }
    assert_eq!(received.as_ref(), Some(message));
    assert!(!decoder.is_within_message());
}

/// A file that commands or monitors left; the first byte says which.
pub fn monitor_files(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    match first {
        b'S' => file::<Status>(bytes),
        b'L' => file::<Launch>(bytes),
        b'N' => file::<Names>(bytes),
        b'J' => file::<Entry>(bytes),
        b'F' => {
            let Ok(filter) = Filter::from_bytes(bytes) else { return };
            assert!((1..=4096).contains(&filter.instructions.len()));
            assert_eq!(filter.to_bytes(), bytes);
        }
        _ => {}
    }
}

fn file<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&read).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), read);
}

/// A bundle's `config.json`, from whoever wrote it.
pub fn oci_spec(data: &[u8]) {
    let folder = scratch::folder();
    fs::write(folder.path().join(data::SPEC), data).unwrap();
    let facts = bundle::read(folder.path());
    if let Ok(facts) = &facts {
        assert!(facts.cgroup.is_absolute() && facts.cgroup.parent().is_some());
    }
    let Ok(spec) = serde_json::from_slice::<Spec>(data) else { return };
    if let Some(process) = spec.process()
        && bundle::check_exec(process).is_ok()
    {
        assert!(process.cwd().is_absolute());
        assert!(process.capabilities().as_ref().is_some_and(|sets| {
            [sets.inheritable(), sets.ambient()].iter().all(|set| set.iter().all(|s| s.is_empty()))
        }));
    }
    let Some(filter) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else {
        return;
    };
    for machine in [Machine::X86_64, Machine::Aarch64] {
        if let Ok(program) = assemble(filter, machine) {
            loadable(&program.instructions);
        }
    }
}

/// What the kernel checks of a filter (`bpf_check_classic`, `seccomp_check_filter`).
fn loadable(program: &[Instruction]) {
    const LOAD: u16 = 0x20;
    const AND: u16 = 0x54;
    const RETURN: u16 = 0x06;
    assert!((1..=4096).contains(&program.len()));
    for (at, one) in program.iter().enumerate() {
        let left = program.len() - at - 1;
        match one.code {
            LOAD => assert!(one.k % 4 == 0 && one.k < 64, "outside of seccomp_data"),
            AND | RETURN => {}
            0x05 => assert!((one.k as usize) < left, "jumps out"),
            0x15 | 0x25 | 0x35 => assert!(usize::from(one.jt.max(one.jf)) < left, "jumps out"),
            other => panic!("instruction {other:#x}"),
        }
    }
    assert_eq!(program.last().map(|one| one.code), Some(RETURN), "runs off its end");
}
