//! Messages as they are on the wire, put together by hand from RFC 1035.

use super::*;
use proptest::prelude::*;

/// A question for `name`, with recursion wanted.
fn ask(name: &str, kind: u16, edns: Option<u16>) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, edns.is_some().into()];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    if let Some(size) = edns {
        message.push(0);
        message.extend([0, 41]);
        message.extend(size.to_be_bytes());
        message.extend([0; 6]);
    }
    message
}

fn readable(message: &[u8]) -> Question {
    match read(message) {
        Incoming::Question(question) => question,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_what_rfc_1035_says() {
    let asked = ask("Db.test", kind::A, None);
    let question = readable(&asked);
    assert_eq!(question.name, b"db.test");
    let address = Record::Address("172.18.0.2".parse().unwrap());
    let reply = answer(&asked, &question, &[address], question.most());
    let expected = [
        // The same number; a response, recursion wanted and available.
        &[0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..],
        // The question, spelled as it came.
        b"\x02Db\x04test\0\0\x01\0\x01",
        // The same name, A, IN, 600 seconds, four bytes.
        &[0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 172, 18, 0, 2],
    ];
    assert_eq!(reply, expected.concat());
}

#[test]
fn an_answer_that_is_too_large_says_so_and_stays_within_what_the_asker_takes() {
    let records: Vec<Record> =
        (0..200u8).map(|last| Record::Address([10, 0, 0, last].into())).collect();
    for (edns, most) in [(None, 512), (Some(1232), 1232), (Some(100), 512)] {
        let asked = ask("many", kind::A, edns);
        let question = readable(&asked);
        let reply = answer(&asked, &question, &records, question.most());
        assert!(reply.len() <= most && reply.len() + 16 > most, "{}", reply.len());
        assert_eq!(reply[2] & 0x02, 0x02);
        assert_eq!(reply[11], u8::from(edns.is_some()));
    }
    let asked = ask("many", kind::A, Some(4096));
    let reply = answer(&asked, &readable(&asked), &records, 65535);
    assert_eq!((reply[2] & 0x02, reply[7]), (0, 200));
}

#[test]
fn an_address_is_read_from_the_name_of_its_name() {
    let address = |name: &str| readable(&ask(name, kind::PTR, None)).address();
    assert_eq!(address("2.0.18.172.in-addr.arpa"), Some("172.18.0.2".parse().unwrap()));
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(address(v6), Some("2001:db8::1".parse().unwrap()));
    for bad in ["18.172.in-addr.arpa", "1.2.0.18.172.in-addr.arpa", "a.b.c.d.in-addr.arpa", "db"] {
        assert_eq!(address(bad), None, "{bad}");
    }
    assert_eq!(address(&v6[2..]), None);
    assert_eq!(address(&format!("0.{v6}")), None);
}

#[test]
fn what_is_no_question_is_refused_or_ignored() {
    let mut message = ask("a", kind::A, None);
    message[2] |= 0x80;
    assert_eq!(read(&message), Incoming::Noise);
    assert_eq!(read(&message[..11]), Incoming::Noise);
    message[2] = 5 << 3;
    assert_eq!(read(&message), Incoming::Bad(Code::NotImp));
    for count in [0, 2] {
        let mut message = ask("a", kind::A, None);
        message[5] = count;
        assert_eq!(read(&message), Incoming::Bad(Code::FormErr));
    }
    // A name that refers to itself, and one that is longer than names are.
    let mut message = ask("a", kind::A, None);
    message[12] = 0xc0;
    message[13] = 12;
    assert_eq!(read(&message), Incoming::Bad(Code::FormErr));
    let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    assert_eq!(readable(&ask(&long, 1, None)).name.len(), 253);
    assert_eq!(read(&ask(&format!("{long}b"), 1, None)), Incoming::Bad(Code::FormErr));
    // Records that are announced and not there.
    let mut message = ask("a", kind::A, Some(512));
    message[7] = 9;
    assert_eq!(read(&message), Incoming::Bad(Code::FormErr));
}

#[test]
fn only_the_answer_to_the_very_question_is_one() {
    let asked = ask("db", kind::A, None);
    let question = readable(&asked);
    let reply = answer(&asked, &question, &[], 512);
    assert!(question.is_answered_by(&asked, &reply, 0x1234));
    assert!(!question.is_answered_by(&asked, &reply, 0x1235));
    assert!(!question.is_answered_by(&asked, &asked, 0x1234));
    let other = ask("dc", kind::A, None);
    let reply = answer(&other, &readable(&other), &[], 512);
    assert!(!question.is_answered_by(&asked, &reply, 0x1234));
    let bare = refusal(&asked, None, Code::FormErr);
    assert!(question.is_answered_by(&asked, &bare, 0x1234));
}

#[test]
fn another_version_of_edns_is_told_ours() {
    let mut asked = ask("db", kind::A, Some(1232));
    let version = asked.len() - 5;
    asked[version] = 1;
    let question = readable(&asked);
    assert!(question.is_of_other_edns());
    let reply = refusal(&asked, Some(&question), Code::NoError);
    // BADVERS is 16: 1 in the upper bits, which OPT has.
    assert_eq!(reply[reply.len() - 6], 1);
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read(&bytes);
    }

    #[test]
    fn a_damaged_question_gets_an_answer_that_fits_or_none(
        name in "[a-z]{1,20}(\\.[a-z]{1,20}){0,5}",
        edns in prop::option::of(any::<u16>()),
        damage in prop::collection::vec((0usize..80, any::<u8>()), 0..4),
        length in 0usize..120,
    ) {
        let mut message = ask(&name, kind::A, edns);
        for (at, byte) in damage {
            if let Some(place) = message.get_mut(at) {
                *place = byte;
            }
        }
        message.truncate(length);
        let records = vec![Record::Address([10, 0, 0, 1].into()); 300];
        match read(&message) {
            Incoming::Question(question) => {
                let reply = answer(&message, &question, &records, question.most());
                prop_assert!(reply.len() <= question.most());
                question.is_answered_by(&message, &reply, 7);
                question.address();
            }
            Incoming::Bad(code) => {
                prop_assert_eq!(refusal(&message, None, code).len(), HEADER);
            }
            Incoming::Noise => {}
        }
    }
}
