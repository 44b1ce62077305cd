//! ad hoc
use isopod_runtime::*;
use isopod_runtime::container::*;
use isopod_runtime::image::*;
use isopod_image::*;
use std::io::Read;
#[test]
fn walk() {
    let root = std::path::PathBuf::from("/tmp/adhoc/root");
    let rt = Runtime::open(Config { root, state: "/tmp/adhoc/state".into(), cgroup_parent: "/isopod-adhoc".into(), monitor: MonitorProgram::File("/work/wt/monitor/target/x86_64-unknown-linux-gnu/debug/isopod-monitor".into()), program: vec![] }).unwrap();
    let mut tar = std::fs::File::open("/tmp/adhoc/img.tar").unwrap();
    let imgs = rt.images().import(&mut tar, &ImportOptions { base_name: Some("docker.io/library/x".into()), index_name: None, digests: false, platform: Platform::host(), unpack: true, labels: Default::default() }).unwrap();
    for i in &imgs { eprintln!("{}", i.name); }
    for s in rt.snapshots().list().unwrap() { eprintln!("{} {} {:?}", s.key, s.parent, s.kind); }
    let image = imgs[0].clone();
    let c = rt.containers("default").create(CreateOptions { id: None, name: Some("t1".into()), generate_name: false, source: ImageSource::Image(Box::new(image), Platform::host()), labels: Default::default(), settings: Settings { command: vec!["sh".into(), "-c".into(), "echo hello; id; cat /proc/self/status | grep Cap; ls /; exit 3".into()], ..Default::default() }, log: LogConfig::default(), auto_remove: false }).unwrap();
    let t = std::time::Instant::now();
    let mut s = c.start(Some(Streams { stdin: false, stdout: true, stderr: true }), None).unwrap();
    eprintln!("started in {:?} {}", t.elapsed(), s.pid);
    let mut out = String::new();
    std::fs::File::from(s.session.stdout.take().unwrap()).read_to_string(&mut out).unwrap();
    eprintln!("out: {out}");
    eprintln!("{:?}", s.session.wait());
    eprintln!("total {:?}", t.elapsed());
    eprintln!("{:?}", c.status());
    c.remove(RemoveOptions { volumes: true, ..Default::default() }).unwrap();
}
