//! Networks as a docker user has them: names, published ports, addresses, and what is left when their
//! containers end. Each test has a «host» of its own: a network namespace.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

use std::collections::BTreeMap;
use std::fs;

use isopod_tests::{TestContext, leftovers, until};
use serde_json::Value as Json;

const SERVER: &str = "while true; do echo hello from $(hostname) | nc -l -p 80; done";

/// A container that answers on port 80.
fn server(context: &TestContext, name: &str, options: &[&str]) {
    let mut words = vec!["run", "-d", "--name", name];
    words.extend(options);
    words.extend(["busybox", "sh", "-c", SERVER]);
    context.isopod(words).succeeds();
}

/// What answers at an address of the test's host, if anything does.
fn asked(context: &TestContext, address: &str, port: &str) -> String {
    let script = format!("busybox nc -w 2 {address} {port} </dev/null");
    context.host().run("sh", ["-c", &script]).stdout
}

fn inspected(context: &TestContext, name: &str, template: &str) -> String {
    context.isopod(["inspect", "-f", template, name]).line().to_owned()
}

fn address(context: &TestContext, name: &str, network: &str) -> String {
    let template = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    inspected(context, name, &template)
}

#[test]
fn a_published_port_leads_to_its_container_as_long_as_that_runs() {
    let context = TestContext::networked(["busybox"]);
    server(&context, "web", &["-p", "8080:80", "-p", "127.0.0.1:8081:80"]);
    for (address, port) in
        [("127.0.0.1", "8080"), ("198.51.100.2", "8080"), ("127.0.0.1", "8081"), ("::1", "8080")]
    {
        until(&format!("an answer at {address} {port}"), || {
            asked(&context, address, port).starts_with("hello from ")
        });
    }
    assert_eq!(asked(&context, "198.51.100.2", "8081"), "", "published on loopback only");
    let ports = context.isopod(["ps", "--format", "{{.Ports}}"]);
    // docker's own spelling, from its reference of `ps`.
    ports.prints("0.0.0.0:8080->80/tcp, 127.0.0.1:8081->80/tcp, [::]:8080->80/tcp\n");
    context.isopod(["port", "web", "80"]).prints("0.0.0.0:8080\n127.0.0.1:8081\n[::]:8080\n");
    context.isopod(["port", "web", "81"]).fails_with(1).complains_of("81/tcp");
    context.isopod(["stop", "-t", "0", "web"]).succeeds();
    assert_eq!(asked(&context, "127.0.0.1", "8080"), "");
    assert!(!context.host().rules().contains("8080"), "{}", context.host().rules());
    context.isopod(["port", "web"]).succeeds().prints_nothing();
    context.isopod(["start", "web"]).succeeds();
    until("an answer after a start", || asked(&context, "127.0.0.1", "8080").starts_with("hello"));
    context.isopod(["rm", "-f", "web"]).succeeds();
    assert!(!context.host().rules().contains("8080"), "{}", context.host().rules());
}

#[test]
fn a_port_that_somebody_has_is_in_use_and_nothing_is_left_of_who_asked() {
    let context = TestContext::networked(["busybox"]);
    server(&context, "first", &["-p", "8080:80"]);
    let before = context.host().rules();
    let devices = context.host().devices();
    let refused =
        context.isopod(["run", "-d", "-p", "9090:90", "-p", "8080:80", "busybox", "true"]);
    refused.fails_with(125).complains_of("8080/tcp is in use");
    assert_eq!(context.host().rules(), before);
    assert_eq!(context.host().devices(), devices);
    // Another program's, not a container's.
    let holder = context.command_of("busybox", ["nc", "-l", "-p", "7070"]).start();
    until("a listener", || context.host().run("ss", ["-ltn"]).stdout.contains(":7070"));
    let refused = context.isopod(["run", "--rm", "-p", "7070:80", "busybox", "true"]);
    refused.fails_with(125).complains_of("7070/tcp is in use");
    drop(holder);
    // The first of a range that is free.
    server(&context, "third", &["-p", "8080-8085:80"]);
    context.isopod(["port", "third"]).mentions("0.0.0.0:8081");
}

#[test]
fn containers_of_a_network_find_each_other_by_name_alias_and_short_id() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "app"]).succeeds();
    let run = ["run", "-d", "--network", "app", "--network-alias", "cache"];
    let id = context.isopod(run.iter().chain(&["--name", "db", "busybox", "sleep", "1000"]));
    let short = id.line()[..12].to_owned();
    let ip = address(&context, "db", "app");
    for name in ["db", "DB", "cache", &short] {
        let ping =
            context.isopod(["run", "--rm", "--network", "app", "busybox", "ping", "-c1", name]);
        ping.succeeds().mentions(&format!("({ip})"));
    }
    // docker: not by a name of another network, nor from the default bridge.
    for options in [&["--network", "bridge"][..], &[]] {
        let words = ["run", "--rm"].iter().chain(options).chain(&["busybox", "ping", "-c1", "db"]);
        assert_ne!(context.isopod(words).code, 0);
    }
    // A new name is known at once, and the old one no longer.
    context.isopod(["rename", "db", "store"]).succeeds();
    let asked = |name: &str| {
        context.isopod(["run", "--rm", "--network", "app", "busybox", "ping", "-c1", name])
    };
    asked("store").succeeds().mentions(&format!("({ip})"));
    assert_ne!(asked("db").code, 0);
    context.isopod(["rename", "store", "db"]).succeeds();
    context.isopod(["rm", "-f", "db"]).succeeds();
    let gone = context.isopod(["run", "--rm", "--network", "app", "busybox", "ping", "-c1", "db"]);
    assert_ne!(gone.code, 0, "its name goes with it\n{gone}");
}

/// docker's documented forms: on a user-defined network 127.0.0.11, on the default one the host's servers;
/// own address and name at the end of hosts.
#[test]
fn hosts_and_resolv_conf_are_dockers() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "--subnet", "10.77.0.0/24", "app"]).succeeds();
    let cat = ["busybox", "cat", "/etc/resolv.conf", "/etc/hosts"];
    let words = ["run", "--rm", "--network", "app", "--ip", "10.77.0.9", "--hostname", "inner"];
    let more = ["--domainname", "corp.example", "--add-host", "db:10.0.0.1"];
    let hosts = ["--add-host", "up:host-gateway", "--dns-search", "."];
    let text = context.isopod(words.iter().chain(&more).chain(&hosts).chain(&cat));
    text.succeeds().mentions("nameserver 127.0.0.11\n").mentions("ndots:0\n");
    text.never_mentions("search");
    assert!(
        text.stdout.ends_with(
            "ff02::2\tip6-allrouters\n10.0.0.1\tdb\n10.77.0.1\tup\n\
             10.77.0.9\tinner.corp.example inner\n"
        ),
        "{text}"
    );
    // A full name is known by its first part too, wherever its domain was said.
    let full = ["run", "--rm", "--network", "app", "--ip", "10.77.0.9", "-h", "inner.corp.example"];
    let text = context.isopod(full.iter().chain(&["busybox", "cat", "/etc/hosts"]));
    assert!(text.stdout.ends_with("10.77.0.9\tinner.corp.example inner\n"), "{text}");
    let asked =
        ["run", "--rm", "--dns", "192.0.2.53", "--dns-search", "corp", "--dns-opt", "rotate"];
    let text = context.isopod(asked.iter().chain(&["busybox", "cat", "/etc/resolv.conf"]));
    text.prints("nameserver 192.0.2.53\nsearch corp\noptions rotate\n");
}

#[test]
fn connecting_and_disconnecting_works_while_a_container_runs_and_when_it_does_not() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "one"]).succeeds();
    context.isopod(["network", "create", "two"]).succeeds();
    let run = |name: &str, network: &str| {
        let words = ["run", "-d", "--name", name, "--network", network, "busybox", "sleep", "1000"];
        context.isopod(words).succeeds();
    };
    run("a1", "one");
    run("b1", "two");
    let ping = |from: &str, to: &str| context.isopod(["exec", from, "ping", "-c1", "-W2", to]).code;
    assert_ne!(ping("a1", "b1"), 0);
    context.isopod(["network", "connect", "--alias", "friend", "two", "a1"]).succeeds();
    assert_eq!(ping("a1", "b1"), 0);
    assert_eq!(ping("b1", "friend"), 0);
    let hosts = context.isopod(["exec", "a1", "cat", "/etc/hosts"]);
    hosts.mentions(&address(&context, "a1", "two")).mentions(&address(&context, "a1", "one"));
    context.isopod(["network", "connect", "two", "a1"]).fails_with(1).complains_of("two");
    context
        .isopod(["network", "rm", "two"])
        .fails_with(1)
        .complains_of("in use by container a1, b1");
    // Kept for its next start.
    context.isopod(["restart", "-t", "0", "a1"]).succeeds();
    assert_eq!(ping("a1", "b1"), 0);
    // The default route goes to what is left.
    context.isopod(["network", "disconnect", "one", "a1"]).succeeds();
    assert_eq!(ping("a1", "b1"), 0);
    context.isopod(["exec", "a1", "ip", "route"]).mentions("default via");
    context.isopod(["network", "disconnect", "two", "a1"]).succeeds();
    assert_ne!(ping("a1", "b1"), 0);
    assert_ne!(ping("b1", "friend"), 0, "its names are gone");
    context.isopod(["network", "disconnect", "two", "a1"]).fails_with(1).complains_of("two");
    context.isopod(["network", "disconnect", "-f", "two", "a1"]).succeeds();
    context.isopod(["stop", "-t", "0", "a1"]).succeeds();
    context.isopod(["network", "connect", "one", "a1"]).succeeds();
    context.isopod(["start", "a1"]).succeeds();
    assert_ne!(address(&context, "a1", "one"), "");
}

#[test]
fn addresses_can_be_chosen_and_nobody_gets_anothers() {
    let context = TestContext::networked(["busybox"]);
    let create = ["network", "create", "--subnet", "10.77.0.0/24", "--ip-range", "10.77.0.128/30"];
    let more = ["--ipv6", "--subnet", "fd77::/64", "--aux-address", "p=10.77.0.129", "app"];
    context.isopod(create.iter().chain(&more)).succeeds();
    let run = |more: &[&str]| {
        let words = ["run", "-d"].iter().chain(more).chain(&["busybox", "sleep", "1000"]);
        context.isopod(words)
    };
    let network =
        "name=app,ip=10.77.0.9,ip6=fd77::9,mac-address=02:42:0a:00:00:77,alias=x,gw-priority=1";
    run(&["--name", "fixed", "--network", network]).succeeds();
    let shown = context.isopod(["exec", "fixed", "ip", "address", "show", "eth0"]);
    shown.mentions("10.77.0.9/24").mentions("fd77::9/64").mentions("02:42:0a:00:00:77");
    run(&["--network", "app", "--ip", "10.77.0.9"]).fails_with(125).complains_of("10.77.0.9");
    for wrong in ["10.77.0.0", "10.77.0.1", "10.77.0.129", "10.77.0.255", "10.99.0.1"] {
        run(&["--network", "app", "--ip", wrong]).fails_with(125).complains_of(wrong);
    }
    // One after the other, round the range; .129 is somebody else's.
    for expected in ["10.77.0.128", "10.77.0.130", "10.77.0.131"] {
        run(&["--name", expected, "--network", "app"]).succeeds();
        assert_eq!(address(&context, expected, "app"), expected);
    }
    run(&["--network", "app"]).fails_with(125).complains_of("every address");
    context.isopod(["rm", "-f", "10.77.0.130"]).succeeds();
    run(&["--name", "next", "--network", "app"]).succeeds();
    assert_eq!(address(&context, "next", "app"), "10.77.0.130");
    run(&["--ip", "172.17.0.99"]).fails_with(125).complains_of("network create");
}

#[test]
fn another_containers_network_is_shared_with_its_files() {
    let context = TestContext::networked(["busybox"]);
    server(&context, "web", &["-p", "8080:80"]);
    let join = |words: &[&str]| {
        let all = ["run", "--rm", "--network", "container:web", "busybox"].iter().chain(words);
        context.isopod(all)
    };
    until("the server", || join(&["nc", "-w2", "127.0.0.1", "80"]).stdout.starts_with("hello"));
    let own = context.isopod(["exec", "web", "cat", "/etc/hosts", "/etc/resolv.conf"]);
    join(&["cat", "/etc/hosts", "/etc/resolv.conf"]).prints(&own.stdout);
    let name = context.isopod(["exec", "web", "hostname"]);
    join(&["hostname"]).prints(&name.stdout);
    context.isopod(["stop", "-t", "0", "web"]).succeeds();
    join(&["true"]).fails_with(125).complains_of("web");
    let missing = ["run", "--rm", "--network", "container:nobody", "busybox", "true"];
    context.isopod(missing).fails_with(125).complains_of("nobody");
}

#[test]
fn a_killed_monitor_leaves_nothing_that_the_next_command_does_not_take() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "app"]).succeeds();
    let port = "8080:80";
    server(&context, "web", &["--network", "app", "-p", port]);
    until("an answer", || asked(&context, "127.0.0.1", "8080").starts_with("hello"));
    for (pid, why) in leftovers::processes_that_hold(&context.path("root/containers")) {
        if why.contains("isopod-monitor") {
            context.command_of("kill", ["-9", &pid.to_string()]).run();
        }
    }
    until("the end", || {
        context.isopod(["ps", "-a", "--format", "{{.Status}}"]).stdout.starts_with("Exited (255)")
    });
    until("the end of its port", || !context.host().rules().contains("8080"));
    until("the end of its device", || {
        !context.host().devices().iter().any(|name| name.starts_with("veth"))
    });
    // Whoever takes it away takes the row last.
    until("the end of its place", || {
        let inspect = ["network", "inspect", "-f", "{{json .Containers}}", "app"];
        context.isopod(inspect).stdout == "{}\n"
    });
    // The port is free, and so is the network.
    server(&context, "again", &["-p", port]);
    context.isopod(["network", "rm", "app"]).succeeds();
}

#[test]
fn twenty_at_once_have_twenty_addresses() {
    let context = TestContext::networked(["busybox"]);
    let started: Vec<_> = (0..20)
        .map(|n| {
            let port = format!("{}:80", 9000 + n);
            let name = format!("c{n}");
            let words = ["run", "-d", "--name", &name, "-p", &port, "busybox", "sleep", "1000"];
            context.command(words).start()
        })
        .collect();
    for start in started {
        start.outcome().succeeds().complains_of_nothing();
    }
    let listed: Json = context.isopod(["network", "inspect", "bridge"]).json();
    let members: BTreeMap<String, Json> =
        serde_json::from_value(listed[0]["Containers"].clone()).unwrap();
    let mut addresses: Vec<_> =
        members.values().map(|member| member["IPv4Address"].to_string()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 20, "{listed}");
    let mut remove = vec!["rm".to_owned(), "-f".to_owned()];
    remove.extend((0..20).map(|n| format!("c{n}")));
    context.isopod(remove).succeeds();
    let left = context.host().rules();
    assert!((0..20).all(|n| !left.contains(&(9000 + n).to_string())), "{left}");
}

#[test]
fn networks_are_listed_inspected_and_pruned_as_dockers() {
    let context = TestContext::networked(["busybox"]);
    let listed = context.isopod(["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"]);
    listed.prints("bridge bridge local\nhost host local\nnone null local\n");
    let header = context.isopod(["network", "ls"]);
    assert!(header.stdout.starts_with("NETWORK ID     NAME      DRIVER    SCOPE\n"), "{header}");
    let create = ["network", "create", "--label", "keep=1", "--internal", "inner"];
    let id = context.isopod(create).line().to_owned();
    context.isopod(["network", "create", "outer"]).succeeds();
    context.isopod(["network", "create", "outer"]).fails_with(1).complains_of("outer");
    context.isopod(["network", "ls", "-q", "-f", "label=keep"]).prints(&format!("{}\n", &id[..12]));
    context
        .isopod(["network", "ls", "-q", "--no-trunc", "-f", "name=inn"])
        .prints(&format!("{id}\n"));
    let shown: Json = context.isopod(["network", "inspect", &id[..6]]).json();
    assert_eq!(shown[0]["Name"], "inner");
    assert_eq!(shown[0]["Internal"], true);
    assert_eq!(shown[0]["Labels"]["keep"], "1");
    assert_eq!(shown[0]["IPAM"]["Driver"], "default");
    context.isopod(["create", "--name", "later", "--network", "outer", "busybox"]).succeeds();
    let pruned = context.isopod(["network", "prune", "-f", "--filter", "label!=keep"]);
    // A container that does not run wants its network back when it does.
    pruned.succeeds().prints_nothing();
    context.isopod(["rm", "later"]).succeeds();
    let pruned = context.isopod(["network", "prune", "-f", "--filter", "label!=keep"]);
    pruned.prints("Deleted Networks:\nouter\n\n");
    context.isopod(["network", "rm", "bridge"]).fails_with(1).complains_of("built in");
    context.isopod(["network", "rm", "nothing"]).fails_with(1).complains_of("no such network");
    context.isopod(["network", "rm", "-f", "nothing"]).succeeds();
    context.isopod(["network", "rm", "inner"]).prints("inner\n");
    let missing = ["run", "--rm", "--network", "nothing", "busybox", "true"];
    context.isopod(missing).fails_with(125).complains_of("no such network: nothing");
    assert!(context.containers().is_empty());
}

#[test]
fn after_a_flush_of_the_firewall_a_reload_brings_ports_back() {
    let context = TestContext::networked(["busybox"]);
    server(&context, "web", &["-p", "8080:80"]);
    until("an answer", || asked(&context, "198.51.100.2", "8080").starts_with("hello"));
    let before = context.host().rules();
    context.host().run("nft", ["flush", "ruleset"]).succeeds();
    context.isopod(["network", "reload"]).succeeds();
    assert_eq!(context.host().rules(), before);
    until("an answer again", || asked(&context, "198.51.100.2", "8080").starts_with("hello"));
}

#[test]
fn what_belongs_to_the_kernel_is_named_in_the_state_folder_only_while_it_is_there() {
    let context = TestContext::networked(["busybox"]);
    let id = context.isopod(["network", "create", "app"]).line().to_owned();
    let run = ["run", "-d", "--name", "a1", "--network", "app", "busybox", "sleep", "1000"];
    context.isopod(run).succeeds();
    let names = context.path("state/networks").join(&id).join("names");
    let text = fs::read_to_string(&names).unwrap();
    assert!(text.starts_with(&format!("{} a1 ", address(&context, "a1", "app"))), "{text}");
    context.isopod(["rm", "-f", "a1"]).succeeds();
    assert_eq!(fs::read_to_string(&names).unwrap(), "");
    context.isopod(["network", "rm", "app"]).succeeds();
    assert!(!names.parent().unwrap().exists());
}

/// The address of one that is started again is not a new one, by whatever it is started.
#[test]
fn a_container_has_its_addresses_again_as_long_as_nobody_else_took_them() {
    let context = TestContext::networked(["busybox"]);
    context
        .isopod([
            "network",
            "create",
            "--ipv6",
            "--subnet",
            "10.77.0.0/24",
            "--subnet",
            "fd77::/64",
            "app",
        ])
        .succeeds();
    let bridge = ["--network", "app", "--network", "bridge", "--restart", "always"];
    server(&context, "web", &bridge);
    server(&context, "other", &["--network", "app"]);
    let places = || {
        let of = |network: &str| {
            let inside = format!("(index .NetworkSettings.Networks \"{network}\")");
            inspected(
                &context,
                "web",
                &format!(
                    "{{{{{inside}.IPAddress}}}} {{{{{inside}.GlobalIPv6Address}}}} {{{{{inside}.MacAddress}}}}"
                ),
            )
        };
        [of("app"), of("bridge")]
    };
    let first = places();
    assert!(first[0].starts_with("10.77.0.2 fd77::2 02:42:0a:4d:00:02"), "{first:?}");
    context.isopod(["restart", "-t", "0", "web"]).succeeds();
    assert_eq!(places(), first);
    context.isopod(["stop", "-t", "0", "web"]).succeeds();
    server(&context, "third", &["--network", "app"]);
    context.isopod(["start", "web"]).succeeds();
    assert_eq!(places(), first);
    // By its policy, after its monitor's death.
    let pid = || inspected(&context, "web", "{{.State.Pid}}");
    let before = pid();
    let id = inspected(&context, "web", "{{.Id}}");
    let status = context.path("root/containers/default").join(id).join("status.json");
    let status: Json = serde_json::from_slice(&fs::read(status).unwrap()).unwrap();
    context.command_of("kill", ["-9", &status["monitor"].to_string()]).run().succeeds();
    until("it runs again", || !["0", before.as_str()].contains(&pid().as_str()));
    assert_eq!(places(), first);
    // Somebody else has the address by now: then it has another one.
    context.isopod(["stop", "-t", "0", "web"]).succeeds();
    server(&context, "thief", &["--network", "app", "--ip", "10.77.0.2"]);
    context.isopod(["start", "web"]).succeeds();
    let now = places();
    assert!(now[0].starts_with("10.77.0.") && !now[0].starts_with("10.77.0.2 "), "{now:?}");
    assert!(now[0].contains(" fd77::2 "), "the one of the other family is still free: {now:?}");
    assert_eq!(now[1], first[1]);
}
