//! Whether the out-of-memory killer came, for a group that may be gone before its processes' end is seen here:
//! systemd removes a scope's group with the last process in it.

use std::fs::File;
use std::os::fd::AsFd;

use super::Monitor;
use crate::poll::{Interest, Token, Watched};

impl Monitor {
    /// Watches the group of a container that has just started, if it is a scope's. What can't be watched is read at the
    /// container's end, if it is there still.
    pub(super) fn watch_memory(&mut self) {
        self.memory = None;
        self.is_oom_seen = false;
        let facts = self.facts.as_ref().filter(|facts| facts.scope.is_some());
        let Some(facts) = facts.filter(|_| self.hierarchies.is_unified()) else { return };
        let file = self
            .hierarchies
            .folder("memory", &facts.cgroup)
            .and_then(|folder| File::open(folder.join("memory.events")).ok());
        let Some(file) = file else { return };
        let mut watched = Watched::new(&self.poller, file.into(), Token::Memory);
        if watched.set(Interest::Change).is_ok() {
            self.memory = Some(watched);
            self.look_at_memory();
        }
    }

    /// The file has changed, or is gone.
    pub(super) fn look_at_memory(&mut self) {
        let Some(file) = &self.memory else { return };
        let mut text = [0; 512];
        let read = rustix::io::pread(file.as_fd(), &mut text, 0);
        let kills = read.ok().and_then(|length| kills(&text[..length]));
        self.is_oom_seen |= kills.is_some_and(|kills| kills > 0);
        if kills != Some(0) {
            self.memory = None;
        }
    }
}

/// Documentation/admin-guide/cgroup-v2.rst, memory.events.
fn kills(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::kills;

    #[test]
    fn kills_are_told_from_what_led_to_them() {
        let text = b"low 0\nhigh 0\nmax 25\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(kills(text), Some(1));
        assert_eq!(kills(b""), None);
    }
}
