//! Devices, addresses, routes and settings, looked at with `ip`; what fails leaves nothing.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use isopod_network::{Driver, Error, Host, Network, Subnet, namespace};
use stage::{
    PATIENCE, Stage, WORLD, ask_udp, bridge, endpoint, inside, is_silent, json, run, serve,
    serve_udp, tcp, told, udp_socket, whole,
};

#[test]
fn a_container_gets_its_device_as_asked_for() {
    let stage = Stage::new();
    let mut network = bridge(1);
    network.mtu = Some(1400);
    stage.ensure(&network);
    let netns = namespace::create().unwrap();
    let mut wanted = endpoint(&network, 2);
    let connect = |wanted: &isopod_network::Endpoint| {
        stage.within(|| stage.host.connect(&network, netns.as_fd(), wanted)).unwrap()
    };
    let made = connect(&wanted);
    // docker: 02:42 and the address.
    assert_eq!((made.mac, made.mtu), ([0x02, 0x42, 10, 1, 0, 2], 1400));
    wanted.tag = "aa".to_owned();
    wanted.device = "eth1".to_owned();
    wanted.mac = Some([0x02, 0, 0, 0, 0, 9]);
    wanted.ip = Some("10.1.0.9".parse().unwrap());
    wanted.ip6 = None;
    wanted.is_default = false;
    assert_eq!(connect(&wanted).mac, [0x02, 0, 0, 0, 0, 9]);

    let seen = inside(&netns, || json("ip -j addr"));
    let device = |name: &str| {
        seen.as_array().unwrap().iter().find(|link| link["ifname"] == name).unwrap().clone()
    };
    let (lo, eth0, eth1) = (device("lo"), device("eth0"), device("eth1"));
    assert!(lo["flags"].as_array().unwrap().contains(&"UP".into()));
    assert!(eth0["flags"].as_array().unwrap().contains(&"UP".into()));
    assert_eq!(eth0["mtu"], 1400);
    assert_eq!(eth0["address"], "02:42:0a:01:00:02");
    assert_eq!(eth1["address"], "02:00:00:00:00:09");
    let addresses = |link: &serde_json::Value| -> Vec<String> {
        let all = link["addr_info"].as_array().unwrap().iter();
        all.filter(|a| a["scope"] == "global")
            .map(|a| format!("{}/{}", a["local"].as_str().unwrap(), a["prefixlen"]))
            .collect()
    };
    assert_eq!(addresses(&eth0), ["10.1.0.2/24", "fd00:1::2/64"]);
    assert_eq!(eth0["addr_info"][0]["broadcast"], "10.1.0.255");
    assert_eq!(addresses(&eth1), ["10.1.0.9/24"]);
    assert_eq!(eth1["addr_info"].as_array().unwrap().len(), 1, "no address of its own accord");
    let route = inside(&netns, || run("ip route show default"));
    assert_eq!(route.trim(), "default via 10.1.0.1 dev eth0");
    let route = inside(&netns, || run("ip -6 route show default"));
    assert!(route.starts_with("default via fd00:1::1 dev eth0"), "{route}");

    let host = stage.within(|| json("ip -j -d link"));
    let named = |name: &str| {
        host.as_array().unwrap().iter().find(|link| link["ifname"] == name).unwrap().clone()
    };
    assert_eq!(named("br1")["mtu"], 1400);
    assert_eq!(named("br1")["ifalias"], "isopod");
    let port = named("veth0102");
    assert_eq!((&port["master"], &port["mtu"]), (&"br1".into(), &1400.into()));
    assert_eq!(port["linkinfo"]["info_slave_data"]["hairpin"], true);
    assert_eq!(port["linkinfo"]["info_slave_data"]["isolated"], false);
}

#[test]
fn the_default_route_moves_to_another_network() {
    let stage = Stage::new();
    let (one, two) = (bridge(1), bridge(2));
    stage.ensure(&one);
    stage.ensure(&two);
    let netns = stage.container(&one, 2);
    let mut second = endpoint(&two, 2);
    second.device = "eth1".to_owned();
    second.is_default = false;
    stage.within(|| stage.host.connect(&two, netns.as_fd(), &second)).unwrap();
    let route = || inside(&netns, || run("ip route show default"));
    assert_eq!(route().trim(), "default via 10.1.0.1 dev eth0");
    stage.within(|| stage.host.lead_through(&two, netns.as_fd(), &second)).unwrap();
    assert_eq!(route().trim(), "default via 10.2.0.1 dev eth1");
    stage.within(|| stage.host.disconnect(&one, Some(netns.as_fd()), &endpoint(&one, 2))).unwrap();
    assert_eq!(route().trim(), "default via 10.2.0.1 dev eth1");
    serve(&stage.world, "0.0.0.0:80", "world");
    assert_eq!(told(&netns, &format!("{WORLD}:80")), "world 192.0.2.1");
}

/// The greatest packet is that of the way out unless the network says otherwise.
#[test]
fn packets_fit_the_hosts_default_route() {
    let stage = Stage::new();
    stage.within(|| {
        run("ip link set up0 mtu 1300");
        run(&format!("ip route add default via {WORLD}"));
    });
    let network = bridge(1);
    stage.ensure(&network);
    let netns = namespace::create().unwrap();
    let wanted = endpoint(&network, 2);
    let made = stage.within(|| stage.host.connect(&network, netns.as_fd(), &wanted)).unwrap();
    assert_eq!(made.mtu, 1300);
}

#[test]
fn everything_may_be_done_twice() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let look = || (stage.nft(), stage.devices());
    let first = look();
    stage.ensure(&network);
    assert_eq!(look(), first);
    let netns = stage.container(&network, 2);
    // An earlier start left its end: the new one takes the place.
    let second = stage.container(&network, 2);
    assert_eq!(inside(&netns, || json("ip -j link")).as_array().unwrap().len(), 1);
    assert_eq!(inside(&second, || json("ip -j link")).as_array().unwrap().len(), 2);
    for _ in 0..2 {
        stage.within(|| stage.host.disconnect(&network, None, &endpoint(&network, 2))).unwrap();
        stage.within(|| stage.host.remove_network(&network)).unwrap();
    }
    let links = stage.within(|| run("ip -o link"));
    assert!(!links.contains("br1") && !links.contains("veth"), "{links}");
    let rules = stage.nft().to_string();
    assert!(!rules.contains("br1"), "{rules}");
}

#[test]
fn nothing_is_left_of_an_instance_that_takes_everything_away() {
    let stage = Stage::new();
    let look = || (stage.nft(), stage.devices());
    let before = look();
    let (one, two) = (bridge(1), bridge(2));
    stage.ensure(&one);
    stage.ensure(&two);
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80")]);
    let other = Host::open("other").unwrap();
    let third = bridge(3);
    stage.within(|| other.ensure_network(&third)).unwrap();
    for _ in 0..2 {
        stage.within(|| stage.host.remove_all()).unwrap();
    }
    // Another instance's is none of its business.
    assert!(stage.within(|| other.is_intact()).unwrap());
    assert!(stage.within(|| run("ip -o link")).contains("br3"));
    stage.within(|| other.remove_all()).unwrap();
    assert_eq!(look(), before);
}

#[test]
fn a_failed_connection_leaves_no_device() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let netns = namespace::create().unwrap();
    let connect = |wanted: &isopod_network::Endpoint| {
        stage.within(|| stage.host.connect(&network, netns.as_fd(), wanted))
    };
    inside(&netns, || run("ip link add eth0 type bridge"));
    let error = whole(&connect(&endpoint(&network, 2)).unwrap_err());
    assert!(error.contains("eth0") && error.contains("exists"), "{error}");
    // A gateway that no address reaches fails late.
    let mut wanted = endpoint(&network, 2);
    wanted.device = "eth1".to_owned();
    wanted.ip = Some("10.9.0.2".parse().unwrap());
    let mut odd = network.clone();
    odd.ipv4.as_mut().unwrap().prefix = 32;
    let error = stage.within(|| stage.host.connect(&odd, netns.as_fd(), &wanted)).unwrap_err();
    assert!(error.to_string().contains("default route"), "{error}");
    assert!(!stage.within(|| run("ip -o link")).contains("veth"));
    assert!(!inside(&netns, || run("ip -o link")).contains("eth1"));
}

#[test]
fn a_device_that_is_somebody_elses_is_not_taken_over() {
    let stage = Stage::new();
    stage.within(|| run("ip link add br1 type veth peer name other"));
    let network = bridge(1);
    let error = stage.within(|| stage.host.ensure_network(&network)).unwrap_err();
    assert!(matches!(&error, Error::Device { device, .. } if device == "br1"), "{error}");
    assert_eq!(error.to_string(), "br1: this device is no bridge");
    // What was done for it is undone.
    assert!(!stage.nft().to_string().contains("\"br1\""));
    for name in ["", "..", "a/b", "a-name-that-is-too-long"] {
        let mut odd = bridge(3);
        let Driver::Bridge { device, .. } = &mut odd.driver else { unreachable!() };
        *device = name.to_owned();
        let error = stage.within(|| stage.host.ensure_network(&odd)).unwrap_err().to_string();
        assert!(error.contains("from 1 to 15 visible characters"), "{error}");
    }
    // A bridge that was there is used, and stays.
    stage.within(|| run("ip link add br2 type bridge"));
    let network = bridge(2);
    stage.ensure(&network);
    stage.within(|| stage.host.remove_network(&network)).unwrap();
    assert!(stage.within(|| run("ip -o link")).contains("br2"));
}

#[test]
fn instances_live_side_by_side() {
    let stage = Stage::new();
    let other = Host::open("other").unwrap();
    let (one, two) = (bridge(1), bridge(2));
    stage.ensure(&one);
    stage.within(|| other.ensure_network(&two)).unwrap();
    let web = stage.container(&one, 2);
    let netns = namespace::create().unwrap();
    stage.within(|| other.connect(&two, netns.as_fd(), &endpoint(&two, 2))).unwrap();
    serve(&web, "0.0.0.0:80", "web");
    serve(&netns, "0.0.0.0:80", "other");
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80")]);
    stage.within(|| other.publish(&[tcp("0.0.0.0:8081", "10.2.0.2:80")])).unwrap();
    assert_eq!(told(&stage.world, "192.0.2.1:8080"), "web 192.0.2.2");
    assert_eq!(told(&stage.world, "192.0.2.1:8081"), "other 192.0.2.2");
    is_silent(&netns, "10.1.0.2:80");
    assert!(Host::open("a/b").is_err());
    assert!(Host::open("a-very-long-name-of-an-instance").is_err());
}

#[test]
fn several_commands_at_a_time_make_one_network() {
    let stage = Stage::new();
    let network = bridge(1);
    std::thread::scope(|scope| {
        for nth in 2..10 {
            let (stage, network) = (&stage, &network);
            scope.spawn(move || {
                let host = Host::open("").unwrap();
                let netns = namespace::create().unwrap();
                stage.within(|| {
                    host.ensure_network(network).unwrap();
                    host.connect(network, netns.as_fd(), &endpoint(network, nth)).unwrap();
                    let port = format!("0.0.0.0:80{nth:02}");
                    host.publish(&[tcp(&port, &format!("10.1.0.{nth}:80"))]).unwrap();
                });
                // They stay until all are there.
                netns
            });
        }
    });
    assert!(stage.within(|| stage.host.is_intact()).unwrap());
    assert_eq!(
        stage.nft().to_string().matches("10.1.0.").count(),
        8 + 1,
        "eight ports, one subnet"
    );
}

fn settings(folder: &Path, found: &mut BTreeMap<String, String>) {
    // Devices of containers that went come and go.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            settings(&path, found);
        } else if let Ok(value) = fs::read_to_string(&path) {
            found.insert(path.display().to_string(), value.trim().to_owned());
        }
    }
}

/// Row 20 of the security table.
#[test]
fn only_the_documented_settings_of_the_host_change() {
    let stage = Stage::new();
    // A new namespace has what the machine has, which may be a router.
    stage.within(|| fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap());
    let changed_by = |network: &Network| -> Vec<String> {
        let look = || {
            let mut found = BTreeMap::new();
            stage.within(|| settings(Path::new("/proc/sys/net"), &mut found));
            found
        };
        // What devices of the kernel's making have by default is no change of ours.
        stage.within(|| {
            let Driver::Bridge { device, .. } = &network.driver else { unreachable!() };
            run(&format!("ip link add {device} type bridge"));
        });
        let before = look();
        stage.ensure(network);
        let container = stage.container(network, 2);
        let after = look();
        drop(container);
        let counts = ["nf_conntrack_count", "/neigh/", "veth"];
        after
            .into_iter()
            .filter(|(path, value)| before.get(path).is_some_and(|earlier| earlier != value))
            .filter(|(path, _)| !counts.iter().any(|part| path.contains(part)))
            .map(|(path, value)| format!("{}={value}", path.trim_start_matches("/proc/sys/net/")))
            .collect()
    };
    let mut internal = bridge(1);
    internal.internal = true;
    // Nobody behind a bridge is a router of the host's.
    assert_eq!(changed_by(&internal), ["ipv6/conf/br1/accept_ra=0"]);
    let mut ipv4 = bridge(2);
    ipv4.ipv6 = None;
    // `ip_forward` sets itself for all devices; that is what it is.
    let forwarding = |family: &str, devices: &[&str]| -> Vec<String> {
        let path = |device: &&str| format!("{family}/conf/{device}/forwarding=1");
        devices.iter().map(path).collect()
    };
    let mut expected = forwarding("ipv4", &["all", "br1", "br2", "default", "lo", "up0"]);
    // The kernel's own consequence: a router takes no advice.
    expected.push("ipv4/conf/all/accept_redirects=0".to_owned());
    expected.push("ipv4/conf/br2/route_localnet=1".to_owned());
    expected.push("ipv4/ip_forward=1".to_owned());
    expected.push("ipv6/conf/br2/accept_ra=0".to_owned());
    expected.sort();
    assert_eq!(changed_by(&ipv4), expected);
    let both = bridge(3);
    stage.within(|| run("ip -6 route add default via 2001:db8::2 dev up0 proto ra"));
    let mut expected = forwarding("ipv6", &["all", "br1", "br2", "br3", "default", "lo", "up0"]);
    expected.push("ipv4/conf/br3/route_localnet=1".to_owned());
    expected.push("ipv6/conf/br3/accept_ra=0".to_owned());
    // The host learned its way out from a router, and goes on learning there.
    expected.push("ipv6/conf/up0/accept_ra=2".to_owned());
    expected.sort();
    assert_eq!(changed_by(&both), expected);
}

fn macvlan(parent: Option<&str>) -> Network {
    let mut network = bridge(1);
    network.driver =
        Driver::Macvlan { parent: parent.map(str::to_owned), mode: "bridge".to_owned() };
    network.ipv6 = None;
    network
}

#[test]
fn a_macvlan_container_is_a_host_on_the_parents_wire() {
    let stage = Stage::new();
    let mut network = macvlan(Some("up0"));
    network.ipv4 = Some(Subnet {
        network: "192.0.2.0".parse().unwrap(),
        prefix: 24,
        gateway: Some("192.0.2.2".parse().unwrap()),
    });
    stage.ensure(&network);
    let one = stage.container(&network, 10);
    let two = stage.container(&network, 11);
    serve(&stage.world, "0.0.0.0:80", "world");
    serve(&one, "0.0.0.0:80", "one");
    assert_eq!(told(&one, "192.0.2.2:80"), "world 192.0.2.10");
    assert_eq!(told(&stage.world, "192.0.2.10:80"), "one 192.0.2.2");
    assert_eq!(told(&two, "192.0.2.10:80"), "one 192.0.2.11");
    let route = inside(&one, || run("ip route show default"));
    assert_eq!(route.trim(), "default via 192.0.2.2 dev eth0");
    let seen = inside(&one, || json("ip -j -d link show eth0"));
    assert_eq!(seen[0]["linkinfo"]["info_data"]["mode"], "bridge");
    let gone = endpoint(&network, 10);
    for _ in 0..2 {
        stage.within(|| stage.host.disconnect(&network, Some(one.as_fd()), &gone)).unwrap();
    }
    assert!(!inside(&one, || run("ip -o link")).contains("eth0"));
    stage.within(|| stage.host.remove_network(&network)).unwrap();
    assert!(stage.within(|| run("ip -o link")).contains("up0"));
}

#[test]
fn macvlan_containers_speak_by_datagrams_and_ipv6_too() {
    let stage = Stage::new();
    let mut network = macvlan(Some("up0"));
    network.ipv4 =
        Some(Subnet { network: "192.0.2.0".parse().unwrap(), prefix: 24, gateway: None });
    let prefix = "2001:db8::".parse().unwrap();
    network.ipv6 = Some(Subnet { network: prefix, prefix: 64, gateway: None });
    stage.ensure(&network);
    let one = stage.container(&network, 10);
    let two = stage.container(&network, 11);
    serve(&one, "[2001:db8::a]:80", "one6");
    serve_udp(&one, "192.0.2.10:53", "one");
    serve_udp(&one, "[2001:db8::a]:53", "one6");
    for (client, four, six) in
        [(&two, "192.0.2.11", "2001:db8::b"), (&stage.world, "192.0.2.2", "2001:db8::2")]
    {
        assert_eq!(told(client, "[2001:db8::a]:80"), format!("one6 {six}"));
        let socket = udp_socket(client, "0.0.0.0:0");
        assert_eq!(ask_udp(&socket, "192.0.2.10:53", PATIENCE), Some(format!("one {four}")));
        let socket = udp_socket(client, "[::]:0");
        assert_eq!(ask_udp(&socket, "[2001:db8::a]:53", PATIENCE), Some(format!("one6 {six}")));
    }
    // The host itself is no neighbour on its own device, whose packets pass it by.
    is_silent(&stage.netns, "192.0.2.10:80");
}

#[test]
fn a_macvlan_without_a_parent_leads_nowhere() {
    let stage = Stage::new();
    let before = stage.devices();
    let mut network = macvlan(None);
    network.internal = true;
    for _ in 0..2 {
        stage.ensure(&network);
    }
    let one = stage.container(&network, 2);
    let two = stage.container(&network, 3);
    serve(&one, "0.0.0.0:80", "one");
    assert_eq!(told(&two, "10.1.0.2:80"), "one 10.1.0.3");
    assert_eq!(inside(&two, || run("ip route show default")), "");
    drop((one, two));
    stage.within(|| stage.host.remove_network(&network)).unwrap();
    assert_eq!(stage.devices(), before);
}

/// docker's `-o parent=eth0.10`. Not every kernel has VLANs; one without says so by name.
#[test]
fn a_macvlan_on_a_vlan_makes_it_and_takes_it_away() {
    let stage = Stage::new();
    let network = macvlan(Some("up0.10"));
    let has_vlans = stage.within(|| {
        let probe = ["link", "add", "link", "up0", "name", "probe", "type", "vlan", "id", "7"];
        std::process::Command::new("ip").args(probe).output().unwrap().status.success()
    });
    let made = stage.within(|| stage.host.ensure_network(&network));
    if !has_vlans {
        let error = whole(&made.unwrap_err());
        assert!(error.starts_with("cannot make the VLAN up0.10: "), "{error}");
        return;
    }
    assert_eq!(made.unwrap(), []);
    let seen = stage.within(|| json("ip -j -d link show up0.10"));
    assert_eq!(seen[0]["linkinfo"]["info_data"]["id"], 10);
    stage.within(|| stage.host.remove_network(&network)).unwrap();
    let links = stage.within(|| run("ip -o link"));
    assert!(!links.contains("up0.10") && links.contains("probe"), "{links}");
}

#[test]
fn a_macvlan_that_cannot_be_is_refused_by_name() {
    let stage = Stage::new();
    let refused = |network: &Network| {
        stage.within(|| stage.host.ensure_network(network)).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&macvlan(Some("eth7"))),
        "eth7: there is no such device for the network's parent"
    );
    let mut network = macvlan(Some("up0"));
    network.driver = Driver::Macvlan { parent: Some("up0".to_owned()), mode: "l3".to_owned() };
    assert!(refused(&network).contains("no mode \"l3\""));
}
