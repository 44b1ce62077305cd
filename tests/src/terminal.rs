//! A command at a pseudo-terminal, as a person has it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::Invocation;
use crate::invocation::code_of;

const DEADLINE: Duration = Duration::from_secs(60);

/// Types, and waits for what should appear. Dropped, the command is killed.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    shown: String,
    screen: String,
    /// How much of `screen` earlier expectations have used up.
    seen: usize,
}

impl Terminal {
    /// 24 rows of 80 columns; the terminal is the command's controlling terminal.
    pub fn start(invocation: Invocation) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("the machine has pseudo-terminals");
        let (command, shown) = invocation.into_command();
        // setsid(1) makes the terminal the controlling one, which takes unsafe code here.
        let mut outer = Command::new("setsid");
        outer.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        outer.env_clear();
        for (name, value) in command.get_envs() {
            outer.env(name, value.unwrap_or_default());
        }
        outer.env("TERM", "xterm");
        if let Some(folder) = command.get_current_dir() {
            outer.current_dir(folder);
        }
        let end = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("descriptors can be copied"));
        outer.stdin(end(&pty.slave)).stdout(end(&pty.slave)).stderr(end(&pty.slave));
        let child = outer.spawn().expect("setsid(1) is there");
        drop(outer);
        drop(pty.slave);
        let keyboard = File::from(pty.master);
        let output = listen(keyboard.try_clone().expect("descriptors can be copied"));
        Self { child, keyboard, output, shown, screen: String::new(), seen: 0 }
    }

    pub fn types(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is open");
        self
    }

    /// Makes the window another size, of which the command is told.
    pub fn resizes(&mut self, rows: u16, columns: u16) -> &mut Self {
        let size =
            rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.keyboard, size).expect("the terminal is open");
        self
    }

    /// Waits until this appears after what was expected before.
    #[track_caller]
    pub fn expects(&mut self, part: &str) -> &mut Self {
        let since = Instant::now();
        loop {
            if let Some(at) = self.screen[self.seen..].find(part) {
                self.seen += at + part.len();
                return self;
            }
            let left = DEADLINE.saturating_sub(since.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout) => self.complain(&format!("no {part:?} in time")),
                Err(RecvTimeoutError::Disconnected) => {
                    self.complain(&format!("it ended without {part:?}"))
                }
            }
        }
    }

    /// Waits for the end and checks the exit code; gives all that was on the screen.
    #[track_caller]
    pub fn exits_with(mut self, code: i32) -> String {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            if since.elapsed() > DEADLINE {
                self.complain("it did not end in time");
            }
            thread::sleep(Duration::from_millis(2));
        };
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_secs(1)) {
            self.screen.push_str(&String::from_utf8_lossy(&bytes));
        }
        if code_of(status) != code {
            self.complain(&format!("it ended with {}, not {code}", code_of(status)));
        }
        std::mem::take(&mut self.screen)
    }

    #[track_caller]
    fn complain(&self, why: &str) -> ! {
        panic!("{why}\n$ {}\n-- screen\n{}\n--", self.shown, self.screen)
    }
}

/// Reading the master fails once the last holder of the other end is gone: the end.
fn listen(mut screen: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
