//! Times a monitor: `measure MONITOR ROOT ROUNDS BUNDLE-SPEC [network]` runs `true` in ROOT again and again, and
//! prints medians; then starts 50 containers and prints what their monitors hold. With `network` each has a
//! name server and two published ports.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use isopod_monitor_protocol::VERSION;
use isopod_monitor_protocol::client::{self, Connection};
use isopod_monitor_protocol::launch::{Forward, Launch, Log, Protocol, Resolver, Restart, Rootfs};
use isopod_monitor_protocol::message::{Handed, Reply, Request, Streams};
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::lock::Lock;
use isopod_sys::tree;
use serde_json::Value;

struct Trial {
    connection: Connection,
    starter: std::process::Child,
    launch: Launch,
    cgroup: PathBuf,
    started: f64,
    begun: Instant,
}

fn run(
    binary: &OwnedFd,
    base: &Path,
    root: &Path,
    spec: &Value,
    number: usize,
    args: &[&str],
    has_network: bool,
) -> Trial {
    let folder = base.join(format!("c{number}"));
    let (data, state) = (folder.join("data"), folder.join("state"));
    fs::create_dir_all(&data).unwrap();
    fs::create_dir_all(folder.join("upper")).unwrap();
    fs::create_dir_all(folder.join("work")).unwrap();
    let top = PathBuf::from(format!("/isopod-test-{}", std::process::id()));
    let cgroup = top.join(format!("c{number}"));
    let launch = Launch {
        version: VERSION,
        id: format!("measure-{number}"),
        namespace: "default".into(),
        data: data.clone(),
        state: state.clone(),
        rootfs: Rootfs::Overlay {
            lower: vec![root.to_owned()],
            upper: Some(folder.join("upper")),
            work: Some(folder.join("work")),
        },
        log: Log::JsonFile {
            path: data.join("log"),
            max_size: None,
            max_files: 1,
            attributes: Default::default(),
            compress: false,
            max_buffer: None,
        },
        open_stdin: false,
        stdin_once: false,
        terminal: false,
        monitor_cgroup: top.join(format!("m{number}")),
        after_exit: Vec::new(),
        again: None,
        restart: Restart::No,
        joins_another: false,
        health: None,
        forwards: Vec::new(),
        resolver: None,
        journal: None,
        parts: Vec::new(),
    };
    let mut launch = launch;
    let sockets = if has_network { network(&mut launch) } else { Vec::new() };
    let handed = sockets.iter().map(|(kind, _)| *kind).collect();
    let descriptors: Vec<_> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut spec = spec.clone();
    spec["root"]["path"] = state.join("rootfs").to_str().unwrap().into();
    spec["linux"]["cgroupsPath"] = cgroup.to_str().unwrap().into();
    spec["process"]["args"] = args.into();
    fs::write(data.join("launch.json"), serde_json::to_vec(&launch).unwrap()).unwrap();
    fs::write(data.join("config.json"), serde_json::to_vec(&spec).unwrap()).unwrap();
    let begun = Instant::now();
    let mut spawned = client::spawn(binary.as_fd(), &data).unwrap();
    let attach = Some(Streams { stdin: false, stdout: true, stderr: true });
    let run = Request::Run { attach, size: None, handed };
    let reply = spawned.connection.ask_with(run, &descriptors).unwrap();
    assert!(matches!(reply, Reply::Started { .. }), "{reply:?}");
    let started = begun.elapsed().as_secs_f64() * 1e3;
    Trial {
        connection: spawned.connection,
        starter: spawned.starter,
        launch,
        cgroup,
        started,
        begun,
    }
}

/// A name server and two ports, as a container on a network has them.
fn network(launch: &mut Launch) -> Vec<(Handed, OwnedFd)> {
    let any = "127.0.0.1:0";
    let mut sockets = vec![
        (Handed::ResolverDatagram, UdpSocket::bind(any).unwrap().into()),
        (Handed::ResolverStream, TcpListener::bind(any).unwrap().into()),
    ];
    launch.resolver = Some(Resolver { names: launch.data.join("resolver.json") });
    for _ in 0..2 {
        let socket = TcpListener::bind(any).unwrap();
        let host = socket.local_addr().unwrap();
        launch.forwards.push(Forward { protocol: Protocol::Tcp, host, target: host });
        sockets.push((Handed::Forward, socket.into()));
    }
    sockets
}

fn finish(mut trial: Trial) -> (f64, f64, f64) {
    trial.connection.event().unwrap();
    let exited = trial.begun.elapsed().as_secs_f64() * 1e3;
    drop(Lock::exclusive(&trial.launch.state.join("monitor.lock")).unwrap());
    let gone = trial.begun.elapsed().as_secs_f64() * 1e3;
    trial.starter.wait().unwrap();
    let hierarchies = Hierarchies::find().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2));
    hierarchies.remove(&trial.launch.monitor_cgroup).unwrap();
    hierarchies.remove(&trial.cgroup).unwrap();
    (trial.started, exited, gone)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, monitor, root, rounds, spec, rest @ ..] = arguments.as_slice() else {
        panic!("see the source")
    };
    let has_network = rest == ["network"];
    let base = tempfile::tempdir_in("/dev/shm").unwrap();
    let binary = tree::readonly_clone(Path::new(monitor)).unwrap();
    let spec: Value = serde_json::from_slice(&fs::read(spec).unwrap()).unwrap();
    let root = Path::new(root);
    let mut times = Vec::new();
    let rounds: usize = rounds.parse().unwrap();
    for round in 0..rounds {
        times.push(finish(run(&binary, base.path(), root, &spec, round, &["true"], has_network)));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let column = |pick: fn(&(f64, f64, f64)) -> f64| median(times.iter().map(pick).collect());
    println!(
        "started {:.1} ms, exited {:.1} ms, gone {:.1} ms",
        column(|t| t.0),
        column(|t| t.1),
        column(|t| t.2)
    );

    let many: Vec<Trial> = (0..50)
        .map(|number| {
            run(&binary, base.path(), root, &spec, 1000 + number, &["sleep", "1000"], has_network)
        })
        .collect();
    let mut held = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if comm.starts_with("isopod-") && command.contains(base.path().to_str().unwrap()) {
            let rollup = fs::read_to_string(entry.path().join("smaps_rollup")).unwrap();
            let sum = |prefix: &str| -> f64 {
                let lines = rollup.lines().filter(|line| line.starts_with(prefix));
                lines.map(|l| l.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()).sum()
            };
            held.push((comm.trim().to_owned(), sum("Private_"), sum("Pss:"), sum("Rss:")));
        }
    }
    for name in ["isopod-monitor", "isopod-guard"] {
        let of: Vec<_> = held.iter().filter(|(comm, ..)| comm == name).collect();
        let pick = |get: fn(&&(String, f64, f64, f64)) -> f64| median(of.iter().map(get).collect());
        println!(
            "{} × {name}: USS {} KiB, PSS {} KiB, RSS {} KiB",
            of.len(),
            pick(|h| h.1),
            pick(|h| h.2),
            pick(|h| h.3)
        );
    }
    for trial in many {
        let mut connection = Connection::open(&trial.launch.state).unwrap();
        connection
            .ask(Request::Kill { exec_id: None, signal: 9, all: false, stop: false })
            .unwrap();
        finish(trial);
    }
}
