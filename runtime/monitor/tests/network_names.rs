//! The name server in a container's network namespace, asked by `dig` and busybox as a container's programs
//! ask it. Expected answers are docker's.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use support::net::{Net, descriptors, private_memory, until_asleep};
use support::{OUT, eventually, read};

const NAMES: &str = "\
172.18.0.2 db db.shop 0123456789ab
fd00::2 db db.shop 0123456789ab
172.18.0.3 web w.e.b cache.
172.18.0.4 cache
172.18.0.5 Cache # not a name
garbage
";

/// What an upstream server makes of a question, given as its bytes: answers that are sent in order.
type Answers = fn(&[u8]) -> Vec<Vec<u8>>;

/// A server on 127.0.0.`last`, by datagrams and connections; reports every question.
fn upstream(net: &Net, last: u8, datagram: Answers, stream: Answers) -> Receiver<Vec<u8>> {
    let address = SocketAddr::from(([127, 0, 0, last], 53));
    let (socket, listener) = net
        .host
        .within(|| (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap()));
    let (sender, questions) = channel();
    let also = sender.clone();
    net.host.serve(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            sender.send(buffer[..length].to_vec()).ok();
            for answer in datagram(&buffer[..length]) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    net.host.serve(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let Some(question) = receive(&mut connection) else { continue };
            also.send(question.clone()).ok();
            for answer in stream(&question) {
                transmit(&mut connection, &answer);
            }
        }
    });
    questions
}

fn receive(connection: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    connection.read_exact(&mut length).ok()?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    connection.read_exact(&mut message).ok()?;
    Some(message)
}

fn transmit(connection: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    connection.write_all(&[&length, message].concat()).unwrap();
}

/// The question alone, as an answer with this code.
fn bare(question: &[u8], code: u8) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let mut answer = question[..end].to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0]);
    answer
}

/// The answer that the name's address is 192.0.2.1.
fn found(question: &[u8]) -> Vec<u8> {
    let mut answer = bare(question, 0);
    answer[7] = 1;
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    answer
}

fn finds(question: &[u8]) -> Vec<Vec<u8>> {
    vec![found(question)]
}

fn is_silent(_: &[u8]) -> Vec<Vec<u8>> {
    Vec::new()
}

fn fails(question: &[u8]) -> Vec<Vec<u8>> {
    vec![bare(question, 2)]
}

fn question(name: &str) -> Vec<u8> {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u8];
    question.extend(name.as_bytes());
    question.extend([0, 0, 1, 0, 1]);
    question
}

#[test]
fn names_of_its_networks_are_answered() {
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&["127.0.0.99"]);
    let running = net.run(None);
    for name in ["db", "DB", "dB.shop", "0123456789ab"] {
        let answer = net.dig(&format!("{name} A"));
        assert!(answer.contains("status: NOERROR"), "{answer}");
        assert!(answer.contains("flags: qr rd ra;"), "{answer}");
        assert!(
            answer.contains(&format!("{name}.\t\t")) && answer.contains("600\tIN\tA\t172.18.0.2"),
            "{answer}"
        );
        assert_eq!(net.dig(&format!("{name} AAAA +short")), "fd00::2\n");
    }
    // With a dot, and with one type of address only: no answer is not «no such name».
    assert_eq!(net.dig("w.e.b +short"), "172.18.0.3\n");
    for kind in ["AAAA", "MX", "HTTPS"] {
        let answer = net.dig(&format!("web {kind}"));
        assert!(answer.contains("NOERROR") && answer.contains("ANSWER: 0"), "{answer}");
    }
    // By address.
    assert_eq!(net.dig("-x 172.18.0.2 +short"), "db.\n");
    assert_eq!(net.dig("-x fd00::2 +short"), "db.\n");
    // Several addresses take turns at being the first.
    let firsts: Vec<String> =
        (0..3).map(|_| net.dig("cache +short").lines().next().unwrap().to_owned()).collect();
    let mut sorted = firsts.clone();
    sorted.sort();
    assert_eq!(sorted, ["172.18.0.3", "172.18.0.4", "172.18.0.5"], "{firsts:?}");
    // Comments aren't names, nor is half a name one: nobody else is there to be asked.
    for name in ["not", "shop", "d"] {
        assert!(net.dig(name).contains("status: SERVFAIL"), "{name}");
    }
    assert_eq!(net.dig("db +short +tcp"), "172.18.0.2\n");
    net.end(running);
}

#[test]
fn a_containers_own_programs_find_names() {
    let script = "echo nameserver 127.0.0.11 >/etc/resolv.conf; busybox nslookup -type=a web; \
                  busybox nslookup 172.18.0.3; busybox ping -c1 -W1 nowhere";
    let mut net = Net::new(&["sh", "-c", script]).with_names(NAMES).with_servers(&["127.0.0.99"]);
    let mut running = net.run(Some(OUT));
    let err = running.streams.pop().unwrap();
    let out = read(running.streams.pop().unwrap());
    assert!(out.contains("Name:\tweb\nAddress: 172.18.0.3"), "{out}");
    assert!(out.contains("3.0.18.172.in-addr.arpa\tname = web"), "{out}");
    assert!(read(err).contains("bad address 'nowhere'"));
    running.exit();
    net.container.wait_until_gone();
}

#[test]
fn names_that_come_and_go_are_seen_at_once() {
    let mut net = Net::new(&["sleep", "1000"]).with_names("").with_servers(&["127.0.0.99"]);
    let running = net.run(None);
    assert!(net.dig("db").contains("SERVFAIL"));
    net.put("names", "172.18.0.2 db\n");
    assert_eq!(net.dig("db +short"), "172.18.0.2\n");
    net.put("names", "172.18.0.9 db\n");
    assert_eq!(net.dig("db +short"), "172.18.0.9\n");
    // A second network, where the first one's answer counts.
    net.put("more", "172.19.0.2 db\n172.19.0.3 only\n");
    net.names.networks.push(net.container.path("more"));
    net.put_names();
    assert_eq!(net.dig("db +short"), "172.18.0.9\n");
    assert_eq!(net.dig("only +short"), "172.19.0.3\n");
    net.names.networks.remove(0);
    net.put_names();
    assert_eq!(net.dig("db +short"), "172.19.0.2\n");
    net.end(running);
}

#[test]
fn everything_else_is_asked_elsewhere_and_comes_back_unchanged() {
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&["127.0.0.53"]);
    let questions = upstream(&net, 53, finds, finds);
    let running = net.run(None);
    let answer = net.dig("example.org +cookie=0011223344556677 +dnssec");
    assert!(answer.contains("60\tIN\tA\t192.0.2.1"), "{answer}");
    let first = questions.recv().unwrap();
    // EDNS with the cookie (option 10 of 8 bytes) and the DO bit came through.
    let cookie = [0, 10, 0, 8, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
    assert!(first.windows(cookie.len()).any(|window| window == cookie), "{first:x?}");
    // Types that it doesn't know, and a class.
    assert!(net.dig("example.org TXT").contains("NOERROR"));
    assert!(net.dig("version.bind CH TXT").contains("status: NOERROR"));
    // Numbers are its own, and differ.
    let ids: std::collections::BTreeSet<[u8; 2]> = (0..16)
        .map(|_| {
            let asked = net.inside.within(|| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                socket.send_to(&question("again"), "127.0.0.11:53").unwrap();
                let mut buffer = [0; 512];
                let (length, _) = socket.recv_from(&mut buffer).unwrap();
                buffer[..length].to_vec()
            });
            assert_eq!(asked, found(&question("again")));
            let id = |q: Vec<u8>| [q[0], q[1]];
            let mut all = questions.try_iter();
            id(all.by_ref().last().unwrap())
        })
        .collect();
    assert!(ids.len() > 12, "{ids:?}");
    net.end(running);
}

#[test]
fn the_hosts_servers_are_read_again_when_they_change() {
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES);
    let questions = upstream(&net, 53, finds, finds);
    net.put("resolv.conf", "nameserver 127.0.0.99\n");
    let running = net.run(None);
    assert!(net.dig("example.org").contains("SERVFAIL"));
    net.put("resolv.conf", "# changed\nsearch nowhere\nnameserver 127.0.0.53\n");
    assert_eq!(net.dig("example.org +short"), "192.0.2.1\n");
    assert!(questions.try_iter().count() == 1);
    net.end(running);
}

#[test]
fn another_server_is_asked_when_one_refuses_fails_or_is_silent() {
    for first in [None, Some(fails as Answers), Some(is_silent as Answers)] {
        let servers = ["127.0.0.51", "127.0.0.53"];
        let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&servers);
        let asked = first.map(|first| upstream(&net, 51, first, first));
        let _questions = upstream(&net, 53, finds, finds);
        let running = net.run(None);
        assert_eq!(net.dig("example.org +short"), "192.0.2.1\n");
        assert_eq!(net.dig("example.org +short +tcp"), "192.0.2.1\n");
        if let Some(asked) = asked {
            assert_eq!(asked.try_iter().count(), 2);
        }
        net.end(running);
    }
}

#[test]
fn what_no_server_answers_has_failed() {
    let servers = ["127.0.0.51", "127.0.0.52"];
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&servers);
    let _fails = upstream(&net, 51, fails, fails);
    let running = net.run(None);
    assert!(net.dig("example.org").contains("status: SERVFAIL"));
    assert!(net.dig("example.org +tcp").contains("status: SERVFAIL"));
    net.end(running);
}

#[test]
fn an_answer_that_is_cut_short_is_fetched_by_a_connection() {
    fn is_cut(question: &[u8]) -> Vec<Vec<u8>> {
        let mut answer = bare(question, 0);
        answer[2] |= 2;
        vec![answer]
    }
    fn is_large(question: &[u8]) -> Vec<Vec<u8>> {
        let mut answer = bare(question, 0);
        answer[6..8].copy_from_slice(&3000u16.to_be_bytes());
        for number in 0..3000u16 {
            let [high, low] = number.to_be_bytes();
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, high, low]);
        }
        vec![answer]
    }
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&["127.0.0.53"]);
    let _questions = upstream(&net, 53, is_cut, is_large);
    let many: String = (0..100).map(|last| format!("172.18.1.{last} many\n")).collect();
    net.put("names", &many);
    let running = net.run(None);
    assert_eq!(net.dig("example.org +short").lines().count(), 3000);
    assert!(net.dig("example.org +ignore").contains("flags: qr tc"));
    // The same with names of its own: 100 addresses are 1,600 bytes.
    assert!(net.dig("many +ignore +noedns").contains("flags: qr tc"));
    assert_eq!(net.dig("many +short +noedns").lines().count(), 100);
    assert_eq!(net.dig("many +short +ignore +bufsize=4096").lines().count(), 100);
    net.end(running);
}

#[test]
fn an_answer_to_another_question_is_none() {
    fn lies(question: &[u8]) -> Vec<Vec<u8>> {
        let poison = |change: fn(&mut Vec<u8>)| {
            let mut answer = found(question);
            *answer.last_mut().unwrap() = 66;
            change(&mut answer);
            answer
        };
        vec![
            poison(|answer| answer[1] ^= 1),
            poison(|answer| answer[2] &= 0x7f),
            poison(|answer| answer[13] = b'x'),
            poison(|answer| answer.truncate(7)),
            found(question),
        ]
    }
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&["127.0.0.53"]);
    let _questions = upstream(&net, 53, lies, lies);
    let running = net.run(None);
    assert_eq!(net.dig("example.org +short"), "192.0.2.1\n");
    net.end(running);
}

#[test]
fn an_isolated_container_learns_nothing_from_outside() {
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&["127.0.0.53"]);
    let questions = upstream(&net, 53, finds, finds);
    net.names.is_isolated = true;
    net.put_names();
    let running = net.run(None);
    assert!(net.dig("example.org").contains("status: SERVFAIL"));
    assert!(net.dig("example.org +tcp").contains("status: SERVFAIL"));
    assert!(net.dig("-x 192.0.2.1").contains("status: SERVFAIL"));
    assert_eq!(net.dig("db +short"), "172.18.0.2\n");
    assert_eq!(questions.try_iter().count(), 0);
    net.end(running);
}

#[test]
fn row_09_floods_of_questions_are_bounded() {
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&["127.0.0.53"]);
    let _questions = upstream(&net, 53, is_silent, is_silent);
    let running = net.run(None);
    net.dig("db");
    let monitor = net.container.monitor_pid();
    let (before, memory) = (descriptors(monitor), private_memory(monitor));
    let (open, refused) = net.inside.within(|| {
        // 2,000 questions that nobody answers: all beyond the bound are refused at once.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut refused = 0;
        let mut buffer = [0; 512];
        for number in 0..2000 {
            let mut question = question(&format!("silence-{number}"));
            question[..2].copy_from_slice(&(number as u16).to_be_bytes());
            socket.send_to(&question, "127.0.0.11:53").unwrap();
            if number >= 256 && socket.recv(&mut buffer).is_ok() {
                refused += u32::from(buffer[3] & 0xf == 5);
            }
        }
        // And 200 connections, which say nothing or half of something.
        let open: Vec<TcpStream> = (0..200)
            .filter_map(|number| {
                let address = "127.0.0.11:53".parse().unwrap();
                let mut stream =
                    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
                stream.write_all(&[0x0f, 0xff, 1][..number % 4]).ok()?;
                Some(stream)
            })
            .collect();
        (open, refused)
    });
    assert!(refused > 1000, "{refused}");
    // Neither descriptors nor memory grow beyond the bounds, and names are answered all the same.
    assert_eq!(net.dig("db +short"), "172.18.0.2\n");
    assert!(descriptors(monitor) <= before + 256 + 64, "{}", descriptors(monitor));
    let grown = private_memory(monitor).saturating_sub(memory);
    assert!(grown < 512 * 1024, "{grown} bytes");
    until_asleep(monitor);
    drop(open);
    eventually("all is given back", || descriptors(monitor) == before);
    eventually("memory too", || private_memory(monitor) < memory + 64 * 1024);
    net.end(running);
}

#[test]
fn garbage_is_survived() {
    let mut net = Net::new(&["sleep", "1000"]).with_names(NAMES).with_servers(&["127.0.0.53"]);
    let _questions =
        upstream(&net, 53, |q| vec![q.to_vec(), vec![0xff; 3000]], |_| vec![vec![7; 9]]);
    let running = net.run(None);
    net.inside.within(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // A generator of numbers from Numerical Recipes: the same bytes every time.
        let mut state = 1u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for round in 0..600 {
            let mut bytes: Vec<u8> = (0..round).map(|_| byte()).collect();
            if round % 2 == 0 && bytes.len() > 6 {
                // So that it is read further.
                bytes[2..6].copy_from_slice(&[1, 0, 0, 1]);
            }
            socket.send_to(&bytes, "127.0.0.11:53").unwrap();
            if round % 20 == 0 {
                let mut stream = TcpStream::connect("127.0.0.11:53").unwrap();
                stream.write_all(&bytes).ok();
            }
        }
    });
    assert_eq!(net.dig("db +short"), "172.18.0.2\n");
    assert!(net.dig("db +edns=1 +noednsnegotiation").contains("BADVERS"));
    assert!(net.dig("db +opcode=update").contains("NOTIMP"));
    // Two questions on one connection, the second with the first, are both answered in their order.
    let answers = net.inside.within(|| {
        let mut stream = TcpStream::connect("127.0.0.11:53").unwrap();
        let both: Vec<u8> = ["db", "web"]
            .iter()
            .flat_map(|name| [vec![0, question(name).len() as u8], question(name)].concat())
            .collect();
        stream.write_all(&both).unwrap();
        [receive(&mut stream).unwrap(), receive(&mut stream).unwrap()]
    });
    assert_eq!(answers.map(|answer| answer[answer.len() - 1]), [2, 3]);
    net.end(running);
}
