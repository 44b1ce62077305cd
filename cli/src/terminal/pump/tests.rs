//! The pump between pipes that stand for terminals and sessions.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;

use super::*;

/// Nothing but an end.
struct Quiet(OwnedFd);

impl Control for Quiet {
    fn news(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// A byte is news of something else, the end of the pipe that of the session.
    fn has_ended(&mut self) -> io::Result<bool> {
        Ok(rustix::io::read(&self.0, &mut [0])? == 0)
    }

    fn signals(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn take_signals(&mut self) -> io::Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

/// A pump on a thread of its own, and the far end of each of its pipes.
struct Rig {
    stdin: Option<PipeWriter>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    process_stdin: Option<PipeReader>,
    process_stdout: Option<PipeWriter>,
    process_stderr: Option<PipeWriter>,
    end: Option<PipeWriter>,
    pump: thread::JoinHandle<io::Result<Stopped>>,
}

fn rig(keys: Option<&str>) -> Rig {
    let ((stdin, my_stdin), (my_stdout, stdout), (my_stderr, stderr)) =
        (pipe().unwrap(), pipe().unwrap(), pipe().unwrap());
    let ((process_stdin, to_process), (from_process, process_stdout)) =
        (pipe().unwrap(), pipe().unwrap());
    let (from_stderr, process_stderr) = pipe().unwrap();
    let (ends, end) = pipe().unwrap();
    let keys = keys.map(|keys| Keys::parse(keys).unwrap());
    let pump = thread::spawn(move || {
        let local = Local { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd() };
        let remote = Remote {
            stdin: Some(to_process.into()),
            stdout: Some(from_process.into()),
            stderr: Some(from_stderr.into()),
        };
        pump(local, remote, &mut Quiet(ends.into()), keys)
    });
    Rig {
        stdin: Some(my_stdin),
        stdout: Some(my_stdout),
        stderr: Some(my_stderr),
        process_stdin: Some(process_stdin),
        process_stdout: Some(process_stdout),
        process_stderr: Some(process_stderr),
        end: Some(end),
        pump,
    }
}

impl Rig {
    fn end(&mut self) {
        self.process_stdout = None;
        self.process_stderr = None;
        self.end = None;
    }
}

fn all(reader: Option<PipeReader>) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn every_byte_arrives_on_the_stream_it_was_written_to() {
    let mut rig = rig(None);
    let out: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = out.clone();
    let mut stdout = rig.process_stdout.take().unwrap();
    let writer = thread::spawn(move || stdout.write_all(&out).unwrap());
    let (read_out, read_err) = (rig.stdout.take(), rig.stderr.take());
    let out = thread::spawn(move || all(read_out));
    let err = thread::spawn(move || all(read_err));
    rig.process_stderr.as_mut().unwrap().write_all(b"warning\n").unwrap();
    writer.join().unwrap();
    rig.end();
    assert_eq!(rig.pump.join().unwrap().unwrap(), Stopped::Ended);
    assert!(out.join().unwrap() == expected);
    assert_eq!(err.join().unwrap(), b"warning\n");
}

#[test]
fn what_is_in_the_pipes_when_the_session_ends_is_still_written() {
    let file = tempfile::tempfile().unwrap();
    let null = File::open("/dev/null").unwrap();
    let (from_process, mut process_stdout) = pipe().unwrap();
    let (ends, end) = pipe().unwrap();
    // More than one read's worth, all there before the end is.
    process_stdout.write_all(&vec![b'x'; 60_000]).unwrap();
    drop(end);
    let local = Local { stdin: null.as_fd(), stdout: file.as_fd(), stderr: null.as_fd() };
    let remote = Remote { stdout: Some(from_process.into()), ..Remote::default() };
    // The pipe stays open, as if a grandchild held it: the end alone must do.
    let stopped = pump(local, remote, &mut Quiet(ends.into()), None).unwrap();
    assert_eq!(stopped, Stopped::Ended);
    assert_eq!(rustix::fs::fstat(&file).unwrap().st_size, 60_000);
    drop(process_stdout);
}

#[test]
fn news_that_is_not_the_end_does_not_end_the_pump() {
    let mut rig = rig(None);
    rig.end.as_mut().unwrap().write_all(b"resized").unwrap();
    // Long enough for a pump that took it for the end to leave.
    thread::sleep(std::time::Duration::from_millis(100));
    rig.process_stdout.as_mut().unwrap().write_all(b"still here").unwrap();
    let mut buffer = [0; 10];
    rig.stdout.as_mut().unwrap().read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"still here");
    rig.end();
    assert_eq!(rig.pump.join().unwrap().unwrap(), Stopped::Ended);
}

#[test]
fn the_end_of_our_input_is_the_end_of_the_process_s() {
    let mut rig = rig(None);
    rig.stdin.take().unwrap().write_all(b"question").unwrap();
    assert_eq!(all(rig.process_stdin.take()), b"question");
    rig.end();
    assert_eq!(rig.pump.join().unwrap().unwrap(), Stopped::Ended);
}

#[test]
fn a_process_that_closes_its_input_does_not_stop_its_output() {
    let mut rig = rig(None);
    rig.process_stdin = None;
    rig.stdin.as_mut().unwrap().write_all(b"unheard").unwrap();
    rig.process_stdout.as_mut().unwrap().write_all(b"heard").unwrap();
    let mut buffer = [0; 5];
    rig.stdout.as_mut().unwrap().read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"heard");
    rig.end();
    assert_eq!(rig.pump.join().unwrap().unwrap(), Stopped::Ended);
}

#[test]
fn the_keys_detach_while_the_process_goes_on() {
    let mut rig = rig(Some("ctrl-p,ctrl-q"));
    rig.stdin.as_mut().unwrap().write_all(b"ls\n\x10\x11").unwrap();
    assert_eq!(rig.pump.join().unwrap().unwrap(), Stopped::Detached);
    assert_eq!(all(rig.process_stdin), b"ls\n");
}

#[test]
fn a_reader_that_left_ends_the_pump() {
    let mut rig = rig(None);
    rig.stdout = None;
    rig.process_stdout.as_mut().unwrap().write_all(b"for nobody").unwrap();
    let error = rig.pump.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_regular_file_takes_the_output_too() {
    let file = tempfile::tempfile().unwrap();
    let null = File::open("/dev/null").unwrap();
    let (from_process, mut process_stdout) = pipe().unwrap();
    let (ends, end) = pipe().unwrap();
    process_stdout.write_all(b"into a file").unwrap();
    drop((process_stdout, end));
    let local = Local { stdin: null.as_fd(), stdout: file.as_fd(), stderr: null.as_fd() };
    let remote = Remote { stdout: Some(from_process.into()), ..Remote::default() };
    let stopped = pump(local, remote, &mut Quiet(ends.into()), None).unwrap();
    assert_eq!(stopped, Stopped::Ended);
    assert_eq!(rustix::fs::fstat(&file).unwrap().st_size, 11);
}
