//! Columns of ps(1) for `top`: heads and values as procps writes them.

use std::collections::HashMap;
use std::fs;

use chrono::{DateTime, Datelike, FixedOffset, TimeDelta, Utc};
use isopod_runtime::container::Process;

use crate::output::table::printable;

/// What the values of a column need beside the process.
#[derive(Debug, Clone)]
pub struct Machine {
    now: DateTime<Utc>,
    zone: FixedOffset,
    memory: u64,
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Machine {
    /// This one; names are the host's, as with docker.
    #[must_use]
    pub fn here(now: DateTime<Utc>, zone: FixedOffset) -> Self {
        let names = |path| fs::read_to_string(path).map(|text| names(&text)).unwrap_or_default();
        let memory = super::stats::all_memory();
        Self { now, zone, memory, users: names("/etc/passwd"), groups: names("/etc/group") }
    }

    /// A name, or the number where it has none or the name would be wider than its column.
    fn name(names: &HashMap<u32, String>, id: u32) -> String {
        names.get(&id).filter(|name| name.len() <= 8).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// Names by number; passwd(5) and group(5) agree in their first and third fields.
fn names(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// A column.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// The value in it.
    pub show: fn(&Process, &Machine) -> String,
}

impl Column {
    /// The one that ps knows under `name`; of several heads `name:HEAD` chooses one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = COLUMNS.iter().find(|(names, ..)| names.split(' ').any(|one| one == name));
        found.map(|(_, head, show)| Self { head, show: *show })
    }
}

type Show = fn(&Process, &Machine) -> String;

/// Names, head and value: ps(1), "STANDARD FORMAT SPECIFIERS".
const COLUMNS: &[(&str, &str, Show)] = &[
    ("pid tgid", "PID", |p, _| p.pid.to_string()),
    ("ppid", "PPID", |p, _| p.parent.to_string()),
    ("pgid pgrp", "PGID", |p, _| p.group.to_string()),
    ("sid sess session", "SID", |p, _| p.session.to_string()),
    ("tpgid", "TPGID", |p, _| p.terminal_group.to_string()),
    ("euser:UID", "UID", |p, m| Machine::name(&m.users, p.users.1)),
    ("euser", "EUSER", |p, m| Machine::name(&m.users, p.users.1)),
    ("user uname", "USER", |p, m| Machine::name(&m.users, p.users.1)),
    ("ruser", "RUSER", |p, m| Machine::name(&m.users, p.users.0)),
    ("uid", "UID", |p, _| p.users.1.to_string()),
    ("euid", "EUID", |p, _| p.users.1.to_string()),
    ("ruid", "RUID", |p, _| p.users.0.to_string()),
    ("egroup", "EGROUP", |p, m| Machine::name(&m.groups, p.groups.1)),
    ("group", "GROUP", |p, m| Machine::name(&m.groups, p.groups.1)),
    ("rgroup", "RGROUP", |p, m| Machine::name(&m.groups, p.groups.0)),
    ("gid", "GID", |p, _| p.groups.1.to_string()),
    ("egid", "EGID", |p, _| p.groups.1.to_string()),
    ("rgid", "RGID", |p, _| p.groups.0.to_string()),
    ("c", "C", |p, m| format!("{:.0}", cpu(p, m).floor().min(99.0))),
    ("%cpu pcpu", "%CPU", |p, m| format!("{:.1}", cpu(p, m))),
    ("%mem pmem", "%MEM", |p, m| format!("{:.1}", memory(p, m))),
    ("vsz vsize", "VSZ", |p, _| (p.virtual_bytes / 1024).to_string()),
    ("rss rssize rsz", "RSS", |p, _| (p.resident_bytes / 1024).to_string()),
    ("stime", "STIME", started),
    ("start_time", "START", started),
    ("lstart", "STARTED", |p, m| {
        p.started.with_timezone(&m.zone).format("%a %b %e %H:%M:%S %Y").to_string()
    }),
    ("etime", "ELAPSED", |p, m| elapsed(m.now - p.started)),
    ("etimes", "ELAPSED", |p, m| (m.now - p.started).num_seconds().max(0).to_string()),
    ("tname:TTY tname", "TTY", |p, _| terminal(p.terminal)),
    ("tty tt", "TT", |p, _| terminal(p.terminal)),
    ("time cputime", "TIME", |p, _| clock(p.cpu)),
    ("bsdtime:TIME bsdtime", "TIME", |p, _| {
        format!("{}:{:02}", p.cpu.num_minutes(), p.cpu.num_seconds() % 60)
    }),
    ("stat", "STAT", states),
    ("s state", "S", |p, _| p.state.to_string()),
    ("ni nice", "NI", |p, _| p.priority.1.to_string()),
    // 39 is the least that an ordinary process has, seen from the other end of the scale.
    ("pri", "PRI", |p, _| (39 - p.priority.0).to_string()),
    ("nlwp thcount", "NLWP", |p, _| p.threads.to_string()),
    ("comm ucmd ucomm", "COMMAND", |p, _| printable(&p.name)),
    ("cmd", "CMD", |p, _| command(p)),
    ("command args", "COMMAND", |p, _| command(p)),
];

/// Per cent of one processor over its whole life.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn cpu(process: &Process, machine: &Machine) -> f64 {
    let life = (machine.now - process.started).num_milliseconds().max(1) as f64;
    process.cpu.num_milliseconds() as f64 / life * 100.0
}

#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn memory(process: &Process, machine: &Machine) -> f64 {
    process.resident_bytes as f64 / machine.memory.max(1) as f64 * 100.0
}

/// The time of day, of another day the date, of another year the year.
fn started(process: &Process, machine: &Machine) -> String {
    let (then, now) =
        (process.started.with_timezone(&machine.zone), machine.now.with_timezone(&machine.zone));
    let format = if then.date_naive() == now.date_naive() {
        "%H:%M"
    } else if then.year() == now.year() {
        "%b%d"
    } else {
        "%Y"
    };
    then.format(format).to_string()
}

/// `[dd-]hh:mm:ss`.
fn clock(time: TimeDelta) -> String {
    let (days, hours) = (time.num_days(), time.num_hours() % 24);
    let rest = format!("{hours:02}:{:02}:{:02}", time.num_minutes() % 60, time.num_seconds() % 60);
    if days > 0 { format!("{days}-{rest}") } else { rest }
}

/// `[[dd-]hh:]mm:ss`.
fn elapsed(time: TimeDelta) -> String {
    let text = clock(time.max(TimeDelta::zero()));
    text.strip_prefix("00:").map_or(text.clone(), str::to_owned)
}

/// The device's name by its number: Documentation/admin-guide/devices.txt.
fn terminal(device: u64) -> String {
    let major = device >> 8 & 0xfff;
    let minor = device & 0xff | device >> 12 & 0xfff00;
    match major {
        0 => "?".to_owned(),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        136..=143 => format!("pts/{}", minor + (major - 136) * 256),
        _ => "?".to_owned(),
    }
}

/// ps(1), "PROCESS STATE CODES".
fn states(process: &Process, _: &Machine) -> String {
    let mut states = process.state.to_string();
    let nice = process.priority.1;
    let flags = [
        (nice < 0, '<'),
        (nice > 0, 'N'),
        (process.has_locked_memory, 'L'),
        (process.session == process.pid, 's'),
        (process.threads > 1, 'l'),
        (process.terminal_group == process.group, '+'),
    ];
    states.extend(flags.iter().filter(|(is_so, _)| *is_so).map(|(_, letter)| letter));
    states
}

/// Its arguments; of one that has none the name, as a kernel thread or a zombie.
fn command(process: &Process) -> String {
    if process.arguments.is_empty() {
        let mark = if process.state == 'Z' { " <defunct>" } else { "" };
        return printable(&format!("[{}]{mark}", process.name));
    }
    printable(&process.arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn process() -> Process {
        Process {
            pid: 7,
            parent: 1,
            group: 7,
            session: 7,
            users: (0, 5),
            groups: (0, 0),
            terminal: 0x8801,
            terminal_group: 7,
            state: 'S',
            name: "redis".into(),
            arguments: vec!["redis-server".into(), "*:6379\x1b".into()],
            threads: 4,
            cpu: TimeDelta::seconds(3661),
            started: at(1_000_000),
            virtual_bytes: 4096,
            resident_bytes: 1 << 20,
            priority: (20, 0),
            has_locked_memory: false,
        }
    }

    fn shown(name: &str, process: &Process, now: i64) -> String {
        let machine = Machine {
            now: at(now),
            zone: FixedOffset::east_opt(0).unwrap(),
            memory: 100 << 20,
            users: names("root:x:0:0::/:/bin/sh\ngames:x:5:60::/:\nsystemd-network:x:9:9::/:\n"),
            groups: HashMap::new(),
        };
        (Column::named(name).unwrap().show)(process, &machine)
    }

    /// By ps(1) of procps.
    #[test]
    fn values_are_written_as_ps_writes_them() {
        let process = process();
        let now = 1_000_000 + 36_610;
        for (name, value) in [
            ("euser", "games"),
            ("ruser", "root"),
            ("c", "10"),
            ("%cpu", "10.0"),
            ("%mem", "1.0"),
            ("vsz", "4"),
            ("tty", "pts/1"),
            ("time", "01:01:01"),
            ("bsdtime", "61:01"),
            ("etime", "10:10:10"),
            ("stat", "Ssl+"),
            ("group", "0"),
            ("pri", "19"),
            ("stime", "13:46"),
            ("start_time", "13:46"),
        ] {
            assert_eq!(shown(name, &process, now), value, "{name}");
        }
        assert_eq!(shown("stime", &process, 1_000_000 + 86_400), "Jan12");
        assert_eq!(shown("stime", &process, 1_000_000 + 400 * 86_400), "1970");
        assert_eq!(shown("etime", &process, 1_000_005), "00:05");
        assert!(!shown("cmd", &process, now).contains('\x1b'));
        let long = Process { users: (9, 9), ..process.clone() };
        assert_eq!(shown("user", &long, now), "9");
        let zombie = Process { state: 'Z', arguments: Vec::new(), ..process };
        assert_eq!(shown("cmd", &zombie, now), "[redis] <defunct>");
    }
}
