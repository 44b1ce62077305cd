//! Rows 21 and 24: who reaches whom through our rules, and as whom. The test's «host» has a neighbour: a
//! network namespace at the other end of its uplink.

use std::io::Write;

use isopod_tests::{Invocation, NetworkNamespace, Outcome, TestContext, until};

const IMAGE: &str = "busybox";

/// Answers every connection with the address that it sees as the client's. Not by its state: who has nothing
/// to say may have closed its half already.
const MIRROR: &str = "while true; do nc -l -p 80 -e sh -c 'netstat -tn | grep :80'; done";

/// A machine beside the host, 198.51.100.77, that sends what is for containers by way of the host.
fn neighbour(context: &TestContext) -> NetworkNamespace {
    let neighbour = NetworkNamespace::bare();
    context.host().give("world", &neighbour);
    neighbour.run("ip", ["address", "add", "198.51.100.77/24", "dev", "world"]).succeeds();
    neighbour.run("ip", ["link", "set", "world", "up"]).succeeds();
    neighbour.run("ip", ["route", "add", "default", "via", "198.51.100.2"]).succeeds();
    neighbour
}

fn nc(namespace: &NetworkNamespace, address: &str, port: &str) -> Outcome {
    Invocation::new("busybox", ["nc", "-w", "2", address, port]).within(namespace).run()
}

fn run(context: &TestContext, name: &str, options: &[&str], script: &str) {
    let words = ["run", "-d", "--name", name];
    let command = [IMAGE, "sh", "-c", script];
    context.isopod(words.iter().chain(options).chain(&command)).succeeds();
}

fn address(context: &TestContext, name: &str) -> String {
    let template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    context.isopod(["inspect", "-f", template, name]).line().to_owned()
}

#[test]
fn a_published_port_sees_who_comes() {
    let context = TestContext::networked([IMAGE]);
    let neighbour = neighbour(&context);
    run(&context, "web", &["-p", "8080:80"], MIRROR);
    until("an answer with the neighbour's own address", || {
        nc(&neighbour, "198.51.100.2", "8080").stdout.contains("198.51.100.77:")
    });
}

#[test]
fn nothing_unpublished_is_reached_from_beside_the_host() {
    let context = TestContext::networked([IMAGE]);
    let neighbour = neighbour(&context);
    let server = "nc -ll -p 81 -e echo unpublished & nc -ll -p 80 -e echo published";
    run(&context, "web", &["-p", "8080:80"], server);
    let ip = address(&context, "web");
    until("the published port", || nc(&neighbour, "198.51.100.2", "8080").stdout == "published\n");
    // From the host itself it is there, so that it isn't reached for no other reason.
    until("the other port", || nc(context.host(), &ip, "81").stdout == "unpublished\n");
    assert_eq!(nc(&neighbour, &ip, "81").stdout, "");
    assert_eq!(nc(&neighbour, &ip, "80").stdout, "", "not past the published address either");
}

#[test]
fn the_hosts_loopback_and_other_networks_are_out_of_reach_from_inside() {
    let context = TestContext::networked([IMAGE]);
    context.isopod(["network", "create", "other"]).succeeds();
    run(&context, "other", &["--network", "other"], "nc -ll -p 80 -e echo other");
    run(&context, "web", &["-p", "127.0.0.1:8080:80"], "nc -ll -p 80 -e echo web");
    let server = context.host().listener("127.0.0.1:7070");
    std::thread::spawn(move || {
        server.incoming().flatten().for_each(|mut it| drop(it.write(b"host\n")))
    });
    until("the host's server", || nc(context.host(), "127.0.0.1", "7070").stdout == "host\n");
    let (ip, own) = (address(&context, "other"), address(&context, "web"));
    until("the other's server", || nc(context.host(), &ip, "80").stdout == "other\n");
    let asked = |address: &str, port: &str| {
        context.isopod(["exec", "web", "nc", "-w", "2", address, port]).stdout
    };
    assert_eq!(asked(&own, "80"), "web\n", "nc works in there");
    assert_eq!(asked(&ip, "80"), "", "another network's container");
    // What is for 127.0.0.1 of the host, sent to it by way of the bridge (CVE-2020-8558).
    let gateway = context.isopod(["exec", "web", "ip", "route"]);
    let gateway = gateway.stdout.split_whitespace().nth(2).unwrap().to_owned();
    let lead = ["run", "--rm", "--network", "container:web", "--cap-add", "NET_ADMIN", IMAGE];
    let script = format!(
        "ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {gateway}; \
         nc -w 2 127.0.0.1 7070; nc -w 2 {gateway} 7070"
    );
    let tried = context.isopod(lead.iter().chain(&["sh", "-c", script.as_str()]));
    assert_eq!(tried.stdout, "", "{tried}");
}
