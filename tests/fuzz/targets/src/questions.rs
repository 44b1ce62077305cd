//! Messages to a container's name server: an answer is readable, as long as may be, and to the same question.

use message::{Code, Incoming, Record};

#[allow(dead_code, missing_docs, clippy::all, reason = "a part of the monitor, checked there")]
#[path = "../../../../runtime/monitor/src/network/resolver/message.rs"]
mod message;

/// A datagram, or what a stream carries behind a length.
pub fn dns(data: &[u8]) {
    let question = match message::read(data) {
        Incoming::Question(question) => question,
        Incoming::Bad(code) => return answer(data, &message::refusal(data, None, code), 512),
        Incoming::Noise => return,
    };
    assert!(question.name.len() <= 255 && !question.name.iter().any(u8::is_ascii_uppercase));
    assert!((512..=message::MAX_QUESTION).contains(&question.most()));
    let _ = (question.address(), question.is_of_other_edns());
    let mut records: Vec<Record> =
        (0..200).map(|n| Record::Address([10, 0, 0, n].into())).collect();
    records.push(Record::Name("db.net".to_owned()));
    let id = u16::from_be_bytes([data[0], data[1]]);
    for most in [question.most(), 65_535] {
        for records in [&records[..], &records[200..], &[]] {
            let reply = message::answer(data, &question, records, most);
            // The question is repeated whatever its length; it was read within its bound.
            answer(data, &reply, most.max(data.len() + 11));
            assert!(question.is_answered_by(data, &reply, id));
            assert!(!question.is_answered_by(data, &reply, id.wrapping_add(1)));
        }
    }
    for reply in [
        message::refusal(data, Some(&question), Code::ServFail),
        message::too_large(data, &question),
    ] {
        answer(data, &reply, data.len() + 11);
        assert!(question.is_answered_by(data, &reply, id));
    }
    let mut renumbered = data.to_vec();
    assert_eq!(message::renumber(&mut renumbered, !id), id);
    assert_eq!(message::renumber(&mut renumbered, id), !id);
    assert_eq!(renumbered, data);
}

/// What RFC 1035 (4.1) says of any message, counted by this reader of its own.
fn answer(asked: &[u8], reply: &[u8], most: usize) {
    assert!(reply.len() <= most, "{} bytes, {most} may be", reply.len());
    assert_eq!(reply[..2], asked[..2], "another number");
    assert_eq!(reply[2] & 0x80, 0x80, "no response");
    let count = |at: usize| usize::from(u16::from_be_bytes([reply[at], reply[at + 1]]));
    let mut at = 12;
    for _ in 0..count(4) {
        at = name(reply, at) + 4;
    }
    for _ in 0..count(6) + count(8) + count(10) {
        let fixed = name(reply, at);
        let length = usize::from(u16::from_be_bytes([reply[fixed + 8], reply[fixed + 9]]));
        at = fixed + 10 + length;
    }
    assert_eq!(at, reply.len(), "bytes are left over, or missing");
}

fn name(reply: &[u8], mut at: usize) -> usize {
    loop {
        match reply[at] {
            0 => return at + 1,
            length @ 1..=63 => at += 1 + usize::from(length),
            192.. => return at + 2,
            other => panic!("a label of kind {other}"),
        }
    }
}
