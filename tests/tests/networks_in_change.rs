//! Networks that change under containers that run, and names, addresses and ports that stay through their ends
//! and starts. Each test has a «host» of its own: a network namespace.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use isopod_tests::{NetworkNamespace, Outcome, TestContext, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

/// A container that waits.
fn sleeper(context: &TestContext, name: &str, options: &[&str]) {
    let mut words = vec!["run", "-d", "--name", name];
    words.extend(options);
    words.extend(["busybox", "sleep", "1000"]);
    context.isopod(words).succeeds();
}

fn exec(context: &TestContext, name: &str, script: &str) -> Outcome {
    context.isopod(["exec", name, "sh", "-c", script])
}

/// The network namespace of a container, in which sockets of ours stand for those of its program.
fn inside(context: &TestContext, name: &str) -> NetworkNamespace {
    let pid = context.isopod(["inspect", "-f", "{{.State.Pid}}", name]).line().parse().unwrap();
    NetworkNamespace::of(pid)
}

/// docker: the name server inside is at a port of its own, and 53 is whoever's in the container wants it.
#[test]
fn a_containers_own_name_server_has_port_53_by_tcp_and_udp() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "app"]).succeeds();
    sleeper(&context, "db", &["--network", "app"]);
    for network in ["app", "bridge"] {
        sleeper(&context, "dns", &["--network", network, "-p", "198.51.100.2:53:53/udp"]);
        let dns = inside(&context, "dns");
        let _streams = dns.listener("0.0.0.0:53");
        let datagrams = dns.datagrams("0.0.0.0:53");
        for (asker, address) in [(&dns, "127.0.0.1:53"), (context.host(), "198.51.100.2:53")] {
            let client = asker.datagrams("0.0.0.0:0");
            client.send_to(b"who", address).unwrap();
            let (_, from) = datagrams.recv_from(&mut [0; 8]).unwrap();
            datagrams.send_to(b"me", from).unwrap();
            let (size, from) = client.recv_from(&mut [0; 8]).unwrap();
            assert_eq!((size, from.to_string().as_str()), (2, address));
        }
        // Ours answers beside it.
        let known = exec(&context, "dns", "nslookup -type=a db 127.0.0.11 | grep ^Name");
        assert_eq!(known.stdout, if network == "app" { "Name:\tdb\n" } else { "" });
        context.isopod(["rm", "-f", "dns"]).succeeds();
    }
}

/// docker's reference of `network connect`: a running container finds the others of the network at once.
#[test]
fn one_of_the_default_bridge_finds_names_as_soon_as_it_is_connected() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "app"]).succeeds();
    sleeper(&context, "db", &["--network", "app"]);
    sleeper(&context, "web", &[]);
    let resolv_conf = exec(&context, "web", "cat /etc/resolv.conf").succeeds().stdout.clone();
    context.isopod(["network", "connect", "app", "web"]).succeeds().complains_of_nothing();
    exec(&context, "web", "cat /etc/resolv.conf").succeeds().mentions("nameserver 127.0.0.11\n");
    exec(&context, "web", "ping -c1 -W2 db").succeeds();
    exec(&context, "db", "ping -c1 -W2 web").succeeds();
    context.isopod(["network", "disconnect", "app", "web"]).succeeds();
    exec(&context, "web", "cat /etc/resolv.conf").prints(&resolv_conf);
}

/// Answers every connection to port 80 of a container by «web», until it is dropped.
struct Server {
    inside: NetworkNamespace,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(inside: NetworkNamespace) -> Self {
        let listener = inside.listener("0.0.0.0:80");
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while let Ok((mut connection, _)) = listener.accept() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                connection.write_all(b"web").ok();
            }
        });
        Self { inside, is_over, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.inside.within(|| TcpStream::connect("127.0.0.1:80").ok());
        self.thread.take().map(JoinHandle::join);
    }
}

/// What answers at an address of the test's host, if anything does.
fn asked(context: &TestContext, address: &str) -> String {
    let answer = context.host().within(|| {
        let mut stream =
            TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    });
    answer.unwrap_or_default()
}

fn routes(context: &TestContext, name: &str) -> String {
    exec(context, name, "ip route | grep ^default").succeeds().stdout.clone()
}

/// docker: without the network that ports were published through, the next one that can takes them over; without
/// any they answer nobody, and a network that comes has them again.
#[test]
fn published_ports_follow_a_container_from_network_to_network() {
    let context = TestContext::networked(["busybox"]);
    for name in ["one", "two"] {
        context.isopod(["network", "create", name]).succeeds();
    }
    sleeper(&context, "web", &["--network", "one", "-p", "8080:80", "-p", "[::1]:8081:80"]);
    let _server = Server::new(inside(&context, "web"));
    let answers = |expected: &str| {
        for address in ["127.0.0.1:8080", "198.51.100.2:8080", "[::1]:8080", "[::1]:8081"] {
            assert_eq!(asked(&context, address), expected, "{address}");
        }
    };
    answers("web");
    context.isopod(["network", "connect", "two", "web"]).succeeds();
    answers("web");
    context.isopod(["network", "disconnect", "one", "web"]).succeeds();
    answers("web");
    context.isopod(["network", "disconnect", "two", "web"]).succeeds();
    answers("");
    assert!(!context.host().rules().contains("8080"), "{}", context.host().rules());
    // Nobody else gets the ports meanwhile, nor what still comes to them.
    let other = ["run", "-d", "-p", "8080:80", "busybox", "true"];
    context.isopod(other).fails_with(125).complains_of("in use");
    context.isopod(["network", "connect", "one", "web"]).succeeds();
    answers("web");
    context.isopod(["port", "web", "80"]).mentions("0.0.0.0:8080\n");
}

/// docker's reference of `network connect --gw-priority`: the greatest gives the default gateway.
#[test]
fn the_default_route_follows_the_priority_at_once() {
    let context = TestContext::networked(["busybox"]);
    for (name, subnet) in
        [("one", "10.71.0.0/24"), ("two", "10.72.0.0/24"), ("three", "10.73.0.0/24")]
    {
        context.isopod(["network", "create", "--subnet", subnet, name]).succeeds();
    }
    sleeper(&context, "web", &["--network", "one", "-p", "8080:80"]);
    let server = Server::new(inside(&context, "web"));
    let connect = |words: &[&str]| {
        context.isopod(["network", "connect"].iter().chain(words).chain(&["web"])).succeeds();
    };
    connect(&["two"]);
    assert!(routes(&context, "web").starts_with("default via 10.71.0.1 "), "equals change nothing");
    connect(&["--gw-priority", "5", "three"]);
    assert!(routes(&context, "web").starts_with("default via 10.73.0.1 "));
    assert_eq!(routes(&context, "web").lines().count(), 1);
    assert_eq!(asked(&context, "198.51.100.2:8080"), "web");
    drop(server);
    context.isopod(["restart", "-t", "0", "web"]).succeeds();
    assert!(routes(&context, "web").starts_with("default via 10.73.0.1 "), "as after a start");
    context.isopod(["network", "disconnect", "three", "web"]).succeeds();
    assert!(routes(&context, "web").starts_with("default via 10.71.0.1 "));
}

fn status(context: &TestContext, id: &str) -> Json {
    let path = context.path("root/containers/default").join(id).join("status.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn monitor(context: &TestContext, id: &str) -> Pid {
    Pid::from_raw(i32::try_from(status(context, id)["monitor"].as_i64().unwrap()).unwrap())
}

#[test]
fn a_network_can_be_removed_straight_after_its_containers_monitor_was_killed() {
    let context = TestContext::networked(["busybox"]);
    for options in [&["-p", "8080:80"][..], &["--rm", "-p", "8080:80"]] {
        context.isopod(["network", "create", "app"]).succeeds();
        let words = ["run", "-d", "--network", "app"].iter().chain(options);
        let run = context.isopod(words.chain(&["busybox", "sleep", "1000"]));
        let id = run.line().to_owned();
        kill(monitor(&context, &id), Signal::SIGKILL).unwrap();
        context.isopod(["network", "rm", "app"]).succeeds();
        assert!(!context.host().rules().contains("8080"));
        context.isopod(["rm", "-f", &id]);
    }
}

const SERVER: &str = "while true; do echo hello | nc -l -p 80; done";

/// By its policy a container has its place again: all of it while its monitor lives, name and ports always.
#[test]
fn a_policys_starts_have_address_name_and_ports_again() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "app"]).succeeds();
    let words = ["run", "-d", "--name", "web", "--network", "app", "--restart", "always"];
    let more = ["-p", "8080:80", "busybox", "sh", "-c", SERVER];
    let id = context.isopod(words.iter().chain(&more)).line().to_owned();
    sleeper(&context, "client", &["--network", "app"]);
    let template = "{{.NetworkSettings.Networks.app.IPAddress}}";
    let address = || context.isopod(["inspect", "-f", template, "web"]).line().to_owned();
    let first = address();
    let answers = |when: &str| {
        for host in ["127.0.0.1:8080", "[::1]:8080"] {
            until(&format!("an answer {when}"), || asked(&context, host) == "hello\n");
        }
        until(&format!("its name {when}"), || {
            exec(&context, "client", "nc -w 2 web 80 </dev/null").stdout == "hello\n"
        });
    };
    answers("at first");
    let process = status(&context, &id)["pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(process).unwrap()), Signal::SIGKILL).unwrap();
    until("the policy's start", || {
        let now = status(&context, &id);
        now["phase"] == "running" && now["pid"] != process
    });
    answers("after a restart");
    assert_eq!(address(), first);
    let killed = monitor(&context, &id);
    kill(killed, Signal::SIGKILL).unwrap();
    until("another monitor", || {
        status(&context, &id)["phase"] == "running" && monitor(&context, &id) != killed
    });
    answers("under another monitor");
    context.isopod(["rm", "-f", "web"]).succeeds();
    assert!(!context.host().rules().contains("8080"));
}

#[test]
fn twenty_at_once_with_ports_on_one_bridge_and_all_removed_at_once() {
    const MANY: usize = 20;
    let context = TestContext::networked(["busybox"]);
    let names: Vec<String> = (0..MANY).map(|n| format!("c{n}")).collect();
    let starting: Vec<_> = (0..MANY)
        .map(|n| {
            let port = format!("{}:80", 9000 + n);
            let words =
                ["run", "-d", "--name", &names[n], "-p", &port, "busybox", "sh", "-c", SERVER];
            context.command(words).start()
        })
        .collect();
    for start in starting {
        start.outcome().succeeds().complains_of_nothing();
    }
    let template = "{{.NetworkSettings.Networks.bridge.IPAddress}}";
    let inspect = ["inspect", "-f", template].into_iter().chain(names.iter().map(String::as_str));
    let listed = context.isopod(inspect);
    let mut addresses = listed.lines();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), MANY, "each its own address");
    for n in 0..MANY {
        until("an answer", || asked(&context, &format!("127.0.0.1:{}", 9000 + n)) == "hello\n");
    }
    let removing: Vec<_> =
        names.iter().map(|name| context.command(["rm", "-f", name]).start()).collect();
    for removal in removing {
        removal.outcome().succeeds();
    }
    let rules = context.host().rules();
    assert!(!rules.contains(" . 90"), "no port is led any more: {rules}");
}

/// Two networks on one device that an instance made for them, as it makes VLANs: here one that has its mark.
#[test]
fn a_device_made_for_macvlan_networks_goes_with_the_last_of_them() {
    let context = TestContext::networked(["busybox"]);
    sleeper(&context, "any", &[]);
    let links: Json = context.host().run("ip", ["-j", "link", "show", "type", "bridge"]).json();
    let mark = links[0]["ifalias"].as_str().unwrap().to_owned();
    let host = context.host();
    host.run("ip", ["link", "add", "uplink.7", "type", "veth", "peer", "name", "far"]).succeeds();
    host.run("ip", ["link", "set", "uplink.7", "alias", &mark]).succeeds();
    for (name, subnet) in [("one", "10.61.0.0/24"), ("two", "10.62.0.0/24")] {
        let create = ["network", "create", "-d", "macvlan", "-o", "parent=uplink.7"];
        context.isopod(create.iter().chain(&["--subnet", subnet, name])).succeeds();
    }
    sleeper(&context, "on-two", &["--network", "two"]);
    context.isopod(["network", "rm", "one"]).succeeds();
    exec(&context, "on-two", "ip addr show eth0").succeeds().mentions("10.62.0.");
    context.isopod(["rm", "-f", "on-two"]).succeeds();
    context.isopod(["network", "rm", "two"]).succeeds();
    assert!(!context.host().devices().contains(&"uplink.7".to_owned()));
}

/// Another instance beside the test's own, in the same network namespace.
fn beside(context: &TestContext, words: &[&str]) -> Outcome {
    let folders = ["root2", "state2"].map(|name| context.path(name).display().to_string());
    let [root, state] = &folders;
    context.isopod(["--root", root, "--state", state].iter().chain(words)).succeeds().clone()
}

#[test]
fn two_instances_on_one_host_have_bridges_rules_and_subnets_of_their_own() {
    let context = TestContext::networked(["busybox"]);
    let image = context.path("image.tar").display().to_string();
    context.isopod(["save", "-o", &image, "busybox"]).succeeds();
    beside(&context, &["load", "-i", &image]);
    let run = |port: &str| {
        let words = ["run", "-d", "--name", "web", "-p", port, "busybox", "sh", "-c", SERVER];
        words.map(str::to_owned)
    };
    let (first, second) = (run("8080:80"), run("8081:80"));
    context.isopod(&first).succeeds();
    beside(&context, &second.each_ref().map(String::as_str));
    for port in ["8080", "8081"] {
        let address = format!("198.51.100.2:{port}");
        until("an answer", || asked(&context, &address) == "hello\n");
    }
    let rules = context.host().rules();
    assert_eq!(rules.matches("table inet isopod-").count(), 2, "{rules}");
    let address = "{{.NetworkSettings.Networks.bridge.IPAddress}}";
    let own = context.isopod(["inspect", "-f", address, "web"]).line().to_owned();
    let theirs = beside(&context, &["inspect", "-f", address, "web"]).line().to_owned();
    let subnet = |ip: &str| ip.rsplit_once('.').unwrap().0.to_owned();
    assert_ne!(subnet(&own), subnet(&theirs));
    // Neither reaches the other but by its published port.
    let ask = |host: &str, port: &str| {
        let words = ["run", "--rm", "busybox", "nc", "-w", "2", host, port];
        context.isopod(words).stdout
    };
    assert_eq!(ask(&theirs, "80"), "");
    until("the published port", || ask("198.51.100.2", "8081") == "hello\n");
    // What ends one leaves the other alone.
    beside(&context, &["rm", "-f", "web"]);
    beside(&context, &["network", "prune", "-f"]);
    assert_eq!(context.host().rules().matches("table inet isopod-").count(), 1);
    until("an answer still", || asked(&context, "198.51.100.2:8080") == "hello\n");
}

#[test]
fn without_the_privilege_one_error_says_so_at_once() {
    let context = TestContext::networked(["busybox"]);
    let binary = isopod_tests::binary::isopod().display().to_string();
    let set = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--", &binary];
    let run = ["run", "--rm", "busybox", "true"];
    let refused = context.command_of("setpriv", set.iter().chain(&run)).run();
    refused.fails_with(125).complains_of("Operation not permitted").complains_of("this needs root");
    assert_eq!(refused.stderr.lines().count(), 2, "an error and what to do\n{refused}");
    // What speaks to nftables first is told as well, and does not wait for more.
    let create = ["network", "create", "none-of-it"];
    let refused = context.command_of("setpriv", set.iter().chain(&create)).run();
    refused.fails_with(1).complains_of("Operation not permitted");
    context.isopod(["network", "inspect", "none-of-it"]).fails_with(1);
    context.isopod(["network", "create", "app"]).succeeds();
    let run = ["run", "--rm", "--network", "app", "-p", "80:80", "busybox", "true"];
    let refused = context.command_of("setpriv", set.iter().chain(&run)).run();
    refused.fails_with(125).complains_of("Operation not permitted");
    // What was never made takes no privilege to be rid of: nothing is left for whoever may.
    let places = "SELECT count(*) FROM endpoints";
    let database = context.path("root/state.db").display().to_string();
    context.command_of("sqlite3", [database.as_str(), places]).run().prints("0\n");
    assert_eq!(context.containers(), Vec::<String>::new());
}

#[test]
fn a_host_without_ipv6_has_networks_of_ipv4() {
    let context = TestContext::networked(["busybox"]);
    for device in ["all", "default", "lo", "uplink"] {
        let setting = format!("net.ipv6.conf.{device}.disable_ipv6=1");
        context.host().run("sysctl", ["-qw", &setting]).succeeds();
    }
    context.isopod(["network", "create", "app"]).succeeds();
    let words = ["run", "-d", "--name", "web", "--network", "app", "-p", "8080:80"];
    context.isopod(words.iter().chain(&["busybox", "sh", "-c", SERVER])).succeeds();
    until("an answer", || asked(&context, "198.51.100.2:8080") == "hello\n");
    sleeper(&context, "client", &["--network", "app"]);
    exec(&context, "client", "ping -c1 -W2 web").succeeds();
    let refused = context.isopod(["run", "--rm", "-p", "[::1]:8081:80", "busybox", "true"]);
    refused.fails_with(125).complains_of("[::1]:8081");
}

/// Rules written anew lose no port that is published meanwhile, and bring none back that is given back.
#[test]
fn reloads_beside_starts_and_ends_lose_no_port() {
    let context = TestContext::networked(["busybox"]);
    let names: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    let starting: Vec<_> = (0..8)
        .map(|n| {
            let port = format!("{}:80", 9000 + n);
            let words = ["run", "-d", "--name", &names[n], "-p", &port, "busybox", "sleep", "1000"];
            context.command(words).start()
        })
        .collect();
    for _ in 0..12 {
        context.isopod(["network", "reload"]).succeeds();
    }
    for start in starting {
        start.outcome().succeeds();
    }
    let rules = context.host().rules();
    for n in 0..8 {
        assert!(rules.contains(&format!("tcp . {} :", 9000 + n)), "{n}: {rules}");
    }
    let remove = ["rm", "-f"].into_iter().chain(names.iter().map(String::as_str));
    let removal = context.command(remove).start();
    for _ in 0..12 {
        context.isopod(["network", "reload"]).succeeds();
    }
    removal.outcome().succeeds();
    assert!(!context.host().rules().contains("tcp . 90"), "{}", context.host().rules());
}

/// Wherever a disconnection is killed, the network can be removed and the container started afterwards.
#[test]
fn a_disconnection_that_was_killed_keeps_no_container_from_starting() {
    let context = TestContext::networked(["busybox"]);
    for step in ["unplug.said", "unplug.disconnected", "unplug.unmade"] {
        context.isopod(["network", "create", "nn"]).succeeds();
        context.isopod(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"]).succeeds();
        context.isopod(["network", "connect", "nn", "cc"]).succeeds();
        let deed = step.to_owned();
        context.command(["network", "disconnect", "nn", "cc"]).env("ISOPOD_STEP", &deed).run();
        let found = context.isopod(["system", "fsck", "--format", "{{.Code}}"]);
        found.fails_with(1).mentions("container-leaving");
        context.isopod(["stop", "-t", "0", "cc"]).succeeds();
        context.isopod(["network", "rm", "nn"]).succeeds();
        context.isopod(["start", "cc"]).succeeds();
        let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}};{{end}}";
        context.isopod(["inspect", "-f", networks, "cc"]).prints("bridge;\n");
        context.is_sound();
        // Or it is mended while it runs.
        context.isopod(["network", "create", "nn"]).succeeds();
        context.isopod(["network", "connect", "nn", "cc"]).succeeds();
        context.command(["network", "disconnect", "nn", "cc"]).env("ISOPOD_STEP", &deed).run();
        context.isopod(["system", "fsck", "--repair"]).succeeds();
        context.is_sound();
        context.isopod(["inspect", "-f", networks, "cc"]).prints("bridge;\n");
        context.isopod(["rm", "-f", "cc"]).succeeds();
        context.isopod(["network", "rm", "nn"]).succeeds();
    }
}

#[test]
fn a_network_that_is_gone_is_named_and_can_be_left() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "nn"]).succeeds();
    context.isopod(["create", "--network", "nn", "--name", "cc", "busybox", "true"]).succeeds();
    context.isopod(["network", "rm", "nn"]).succeeds();
    let started = context.isopod(["start", "cc"]);
    started.fails_with(1).complains_of("network nn, which container cc is to be on, is gone");
    context.isopod(["inspect", "cc"]).succeeds().complains_of("network nn");
    context.isopod(["network", "disconnect", "nn", "cc"]).succeeds();
    context.isopod(["network", "connect", "bridge", "cc"]).succeeds();
    context.isopod(["start", "-a", "cc"]).succeeds();
}
