//! Networks that change under containers that run, and names, addresses and ports that stay through their ends
//! and starts. Each test has a «host» of its own: a network namespace.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

use isopod_tests::{NetworkNamespace, Outcome, TestContext};

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
