//! `process.terminal`: the console's other end goes to whoever listens on `--console-socket`.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::runtime::Runtime;

/// Takes the terminal from the first who connects.
fn console(listener: &UnixListener) -> Option<File> {
    let (socket, _) = listener.accept().ok()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 4096];
    let mut parts = [IoSliceMut::new(&mut bytes)];
    recvmsg(&socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    let mut received = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors.collect::<Vec<OwnedFd>>()),
        _ => None,
    });
    received.next()?.pop().map(File::from)
}

/// What the terminal shows until `end`, without carriage returns.
fn shown(terminal: &mut File, end: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 1024];
    while !text.contains(end) {
        match terminal.read(&mut bytes) {
            Ok(read) if read > 0 => text += &String::from_utf8_lossy(&bytes[..read]),
            // The last process that had it open is gone.
            _ => break,
        }
    }
    text.replace('\r', "").trim_end().to_owned()
}

fn with_terminal(runtime: Runtime, script: &str) -> (Bundle, UnixListener) {
    let bundle =
        Bundle::new(runtime, script).with(|spec| spec["process"]["terminal"] = true.into());
    let listener = UnixListener::bind(bundle.path("console")).unwrap();
    (bundle, listener)
}

pub fn console_socket(runtime: Runtime, facts: &mut Facts) {
    let script = "tty; ls -l /proc/self/fd/0 | sed 's/.*-> //'; stat -c '%F %a' /dev/console; read line; echo got $line; \
                  (: > /dev/tty) && echo controlling; echo end";
    let (bundle, listener) = with_terminal(runtime, script);
    let path = bundle.path("console");
    assert!(bundle.create(&["--console-socket", path.to_str().unwrap()]));
    let mut terminal = console(&listener).expect("a terminal comes");
    assert!(bundle.does("start", &[]));
    terminal.write_all(b"typed\n").unwrap();
    let text = shown(&mut terminal, "\nend");
    let lines: Vec<&str> = text.lines().filter(|line| *line != "typed").collect();
    facts.is(
        "shown",
        lines.join("|"),
        "/dev/pts/0|/dev/pts/0|character special file 620|got typed|controlling|end",
    );
    let (bundle, _listener) = with_terminal(runtime, "true");
    facts.holds("without a listener's path it is refused", !bundle.create(&[]));
}

pub fn size(runtime: Runtime, facts: &mut Facts) {
    let (mut bundle, listener) = with_terminal(runtime, "stty size; echo end");
    bundle.spec["process"]["consoleSize"] = json!({"height": 41, "width": 107});
    let path = bundle.path("console");
    assert!(bundle.create(&["--console-socket", path.to_str().unwrap()]));
    let mut terminal = console(&listener).expect("a terminal comes");
    assert!(bundle.does("start", &[]));
    facts.is("rows and columns", shown(&mut terminal, "end").replace('\n', " "), "41 107 end");
}

pub fn exec_with_a_terminal(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "sleep 1000");
    assert!(bundle.create(&[]) && bundle.does("start", &[]));
    let listener = UnixListener::bind(bundle.path("console")).unwrap();
    let path = bundle.path("console");
    let flags = ["--tty", "--detach", "--console-socket", path.to_str().unwrap()];
    // It holds what it is given for its output: no pipe of ours, which would not end.
    let mut command = bundle.command();
    command.arg("exec").args(flags).arg(&bundle.id);
    command.args(["/bin/sh", "-c", "tty; read x; echo got $x; echo end"]);
    let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    facts.holds("detached", done.success());
    let mut terminal = console(&listener).expect("a terminal comes");
    terminal.write_all(b"typed\n").unwrap();
    let text = shown(&mut terminal, "\nend");
    let lines: Vec<&str> = text.lines().filter(|line| *line != "typed").collect();
    facts.is("shown", lines.join("|"), "/dev/pts/0|got typed|end");
}
