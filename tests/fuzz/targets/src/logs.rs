//! A container's log: every whole line is handed on once and in order, however it came to be there.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;

use isopod_runtime::container::{Follower, LogLine};

use crate::scratch;

/// The content of a log. Its first byte says where a writer paused, its second where it rotated.
pub fn log_file(data: &[u8]) {
    let [pause, rotation, log @ ..] = data else { return };
    let at = |place: &u8| log.len() * usize::from(*place) / 255;
    let folder = scratch::folder();
    let path = folder.path().join("log");

    fs::write(&path, log).unwrap();
    let whole = drained(&mut Follower::open(&path, 2).unwrap());
    let lines = log.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(whole.len(), lines);

    let (first, second) = log.split_at(at(pause));
    fs::write(&path, first).unwrap();
    let mut follower = Follower::open(&path, 2).unwrap();
    let mut followed = drained(&mut follower);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(second).unwrap();
    followed.extend(drained(&mut follower));
    assert_eq!(followed, whole, "followed, it is another log");

    // A monitor rotates between lines.
    let place = at(rotation);
    let place = log[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (older, newer) = log.split_at(place);
    fs::write(&path, older).unwrap();
    let mut follower = Follower::open(&path, 2).unwrap();
    let mut followed = drained(&mut follower);
    fs::rename(&path, folder.path().join("log.1")).unwrap();
    fs::write(&path, newer).unwrap();
    followed.extend(drained(&mut follower));
    assert_eq!(followed, whole, "followed over a rotation, it is another log");
    assert_eq!(
        drained(&mut Follower::open(&path, 2).unwrap()),
        whole,
        "rotated, it is another log"
    );
}

fn drained(follower: &mut Follower) -> Vec<LogLine> {
    let mut lines = Vec::new();
    let end = follower.drain(&mut |line| {
        lines.push(line);
        ControlFlow::Continue(())
    });
    assert!(end.unwrap().is_continue());
    lines
}
