//! Who reaches whom, on a real kernel.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod stage;

use stage::{HOST, HOST6, Stage, bridge, inside, run, serve, tcp, told};

#[test]
fn a_published_port_answers_the_world_with_its_address_kept() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let web = stage.container(&network, 2);
    serve(&web, "[::]:80", "web");
    println!("{}", inside(&web, || run("ip addr")));
    println!("{}", stage.within(|| run("ip addr")));
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80"), tcp("[::]:8080", "[fd00:1::2]:80")]);
    println!("{}", stage.within(|| run("nft list ruleset")));
    assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "web ::ffff:192.0.2.2");
    assert_eq!(told(&stage.world, &format!("[{HOST6}]:8080")), "web 2001:db8::2");
}
