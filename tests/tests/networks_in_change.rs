//! Networks that change under containers that run, and names, addresses and ports that stay through their ends
//! and starts. Each test has a «host» of its own: a network namespace.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

use isopod_tests::{TestContext, until};

/// A container that waits.
fn sleeper(context: &TestContext, name: &str, options: &[&str]) {
    let mut words = vec!["run", "-d", "--name", name];
    words.extend(options);
    words.extend(["busybox", "sleep", "1000"]);
    context.isopod(words).succeeds();
}

fn exec(context: &TestContext, name: &str, script: &str) -> isopod_tests::Outcome {
    context.isopod(["exec", name, "sh", "-c", script])
}

/// docker: the name server inside is at a port of its own, and 53 is whoever's in the container wants it.
#[test]
fn a_containers_own_name_server_has_port_53_by_tcp_and_udp() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "app"]).succeeds();
    sleeper(&context, "db", &["--network", "app"]);
    // busybox' dnsd answers by UDP; a listener stands for its TCP.
    let script = "echo 'printer 10.1.2.3' >/tmp/names; \
                  (while true; do echo by tcp | nc -l -p 53; done) & exec dnsd -v -i 0.0.0.0 -c /tmp/names";
    for network in ["app", "bridge"] {
        let name = format!("dns-{network}");
        let words =
            ["run", "-d", "--name", &name, "--network", network, "busybox", "sh", "-c", script];
        context.isopod(words).succeeds();
        until("its own server", || {
            exec(&context, &name, "nslookup -type=a printer 127.0.0.1").stdout.contains("10.1.2.3")
        });
        until("its own listener", || {
            exec(&context, &name, "nc -w 2 127.0.0.1 53 </dev/null").stdout == "by tcp\n"
        });
    }
    // Ours answers beside it.
    exec(&context, "dns-app", "nslookup -type=a db 127.0.0.11").succeeds().mentions("Name:\tdb");
    exec(&context, "dns-app", "nslookup -type=a printer 127.0.0.11").never_mentions("10.1.2.3");
}

/// docker's reference of `network connect`: a running container finds the others of the network at once.
#[test]
fn one_of_the_default_bridge_finds_names_as_soon_as_it_is_connected() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "app"]).succeeds();
    sleeper(&context, "db", &["--network", "app"]);
    sleeper(&context, "web", &[]);
    let resolv_conf = exec(&context, "web", "cat /etc/resolv.conf").succeeds().stdout.clone();
    assert_ne!(exec(&context, "web", "ping -c1 -W2 db").code, 0);
    context.isopod(["network", "connect", "app", "web"]).succeeds().complains_of_nothing();
    exec(&context, "web", "cat /etc/resolv.conf").succeeds().mentions("nameserver 127.0.0.11\n");
    exec(&context, "web", "ping -c1 -W2 db").succeeds();
    exec(&context, "db", "ping -c1 -W2 web").succeeds();
    context.isopod(["network", "disconnect", "app", "web"]).succeeds();
    assert_ne!(exec(&context, "web", "ping -c1 -W2 db").code, 0);
    exec(&context, "web", "cat /etc/resolv.conf").prints(&resolv_conf);
}
