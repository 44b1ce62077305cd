//! Messages against the bytes of the D-Bus specification.

use super::*;

/// Laid out by hand after the specification: "Message Format", "Marshaling".
#[test]
fn a_call_is_laid_out_as_the_specification_has_it() {
    let mut body = Writer::default();
    body.text("a.scope");
    body.properties(&[
        ("PIDs".to_owned(), Value::Numbers(vec![7])),
        ("Delegate".to_owned(), Value::Bool(true)),
        ("IOReadBandwidthMax".to_owned(), Value::Rates(vec![("/d".to_owned(), 258)])),
    ]);
    let call = Call {
        destination: "d.e",
        path: "/p",
        interface: "i.f",
        member: "Mem",
        signature: "sa(sv)",
        body,
    };
    let mut expected: Vec<u8> = Vec::new();
    // Little-endian, a call, no flags, version 1; length of the body, serial, length of the fields.
    expected.extend(*b"l\x01\x00\x01\x78\x00\x00\x00\x05\x00\x00\x00\x4c\x00\x00\x00");
    expected.extend(*b"\x01\x01o\x00\x02\x00\x00\x00/p\x00\0\0\0\0\0");
    expected.extend(*b"\x02\x01s\x00\x03\x00\x00\x00i.f\x00\0\0\0\0");
    expected.extend(*b"\x03\x01s\x00\x03\x00\x00\x00Mem\x00\0\0\0\0");
    expected.extend(*b"\x06\x01s\x00\x03\x00\x00\x00d.e\x00\0\0\0\0");
    expected.extend(*b"\x08\x01g\x00\x06sa(sv)\x00\0\0\0\0");
    // 7 characters and their end; the array's length, its first element at 16.
    expected.extend(*b"\x07\x00\x00\x00a.scope\x00\x68\x00\x00\x00");
    expected.extend(*b"\x04\x00\x00\x00PIDs\x00\x02au\x00\0\0\0\x04\x00\x00\x00\x07\x00\x00\x00");
    expected.extend(*b"\x08\x00\x00\x00Delegate\x00\x01b\x00\x01\x00\x00\x00\0\0\0\0");
    expected.extend(*b"\x12\x00\x00\x00IOReadBandwidthMax\x00\x05a(st)\x00\0\0");
    expected.extend(*b"\x10\x00\x00\x00\0\0\0\0\x02\x00\x00\x00/d\x00\0\x02\x01\0\0\0\0\0\0");
    let bytes = call.to_bytes(5);
    assert_eq!(bytes, expected, "\n{}\n{}", bytes.escape_ascii(), expected.escape_ascii());
}

/// What systemd answers, laid out by hand: `o`, to call 3.
fn answer() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(*b"l\x02\x01\x01\x0a\x00\x00\x00\x09\x00\x00\x00\x18\x00\x00\x00");
    bytes.extend(*b"\x05\x01u\x00\x03\x00\x00\x00");
    bytes.extend(*b"\x08\x01g\x00\x01o\x00\x00");
    bytes.extend(*b"\x07\x01s\x00\x00\x00\x00\x00\0\0\0\0\0\0\0\0");
    bytes[12] = 0x19;
    bytes.extend(*b"\x05\x00\x00\x00/job1\x00");
    bytes
}

#[test]
fn an_answer_is_read() {
    let bytes = answer();
    let fixed: [u8; FIXED] = bytes[..FIXED].try_into().unwrap();
    assert_eq!(FIXED + rest(&fixed).unwrap(), bytes.len());
    let message = Incoming::parse(&bytes).unwrap();
    assert_eq!((message.kind, message.reply_to, &*message.signature), (Kind::Return, 3, "o"));
    assert_eq!(Reader::new(&message.body).text().unwrap(), "/job1");
}

#[test]
fn half_a_message_and_wrong_lengths_are_errors() {
    let bytes = answer();
    for end in FIXED..bytes.len() {
        assert!(Incoming::parse(&bytes[..end]).is_err(), "{end}");
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            // Whatever it says, it is read without a fault.
            if let Ok(message) = Incoming::parse(&damaged) {
                Reader::new(&message.body).text().ok();
            }
        }
    }
    let mut long: [u8; FIXED] = bytes[..FIXED].try_into().unwrap();
    long[6] = 0xff;
    assert!(rest(&long).is_err());
    long = bytes[..FIXED].try_into().unwrap();
    long[0] = b'B';
    assert!(rest(&long).is_err());
}
