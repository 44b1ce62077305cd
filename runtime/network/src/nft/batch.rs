//! The messages that make and remove tables, chains, rules, sets and elements.

use super::expression::{Expression, VALUE};
use super::table::INET;
use crate::netlink::Message;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
pub(super) const REQUEST: u16 = 1;
pub(super) const ACK: u16 = 4;
pub(super) const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: behind the rules that are there.
const APPEND: u16 = 0x800;

const NEWTABLE: u16 = 0;
pub(super) const GETTABLE: u16 = 1;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
pub(super) const GETCHAIN: u16 = 4;
const NEWRULE: u16 = 6;
pub(super) const GETRULE: u16 = 7;
const DELRULE: u16 = 8;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
pub(super) const GETSETELEM: u16 = 13;
const DELSETELEM: u16 = 14;
pub(super) const GETGEN: u16 = 16;

pub(super) const TABLE_NAME: u16 = 1;
pub(super) const TABLE_USERDATA: u16 = 6;
pub(super) const CHAIN_TABLE: u16 = 1;
pub(super) const CHAIN_NAME: u16 = 3;
pub(super) const CHAIN_HOOK: u16 = 4;
pub(super) const CHAIN_POLICY: u16 = 5;
pub(super) const CHAIN_USE: u16 = 6;
const CHAIN_TYPE: u16 = 7;
pub(super) const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
pub(super) const RULE_TABLE: u16 = 1;
pub(super) const RULE_CHAIN: u16 = 2;
pub(super) const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
pub(super) const RULE_USERDATA: u16 = 7;
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LEN: u16 = 5;
const SET_DATA_TYPE: u16 = 6;
const SET_DATA_LEN: u16 = 7;
const SET_DESC: u16 = 9;
const SET_ID: u16 = 10;
const SET_USERDATA: u16 = 13;
const DESC_CONCAT: u16 = 2;
const FIELD_LEN: u16 = 1;
const LIST_ELEM: u16 = 1;
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
pub(super) const LIST_ELEMENTS: u16 = 3;
pub(super) const ELEM_KEY: u16 = 1;
pub(super) const ELEM_DATA: u16 = 2;
const ELEM_KEY_END: u16 = 10;

const INTERVAL: u32 = 4;
const MAP: u32 = 8;
const CONCAT: u32 = 0x80;

/// `NFNL_MSG_BATCH_BEGIN`; of generation `generation`, if that is given: nothing is done in another.
pub(super) fn begin(generation: Option<u32>) -> Message {
    let mut message = Message::new(0x10, REQUEST, &[0, 0, 0, 10]);
    if let Some(generation) = generation {
        message.be32(1, generation);
    }
    message
}

/// `NFNL_MSG_BATCH_END`.
pub(super) fn end() -> Message {
    Message::new(0x11, REQUEST, &[0, 0, 0, 10])
}

pub(super) fn message(kind: u16, flags: u16, family: u8) -> Message {
    Message::new(SUBSYSTEM << 8 | kind, REQUEST | flags, &[family, 0, 0, 0])
}

/// Makes a table, unless it is there.
pub(super) fn add_table(family: u8, name: &str, userdata: &[u8]) -> Message {
    let mut message = message(NEWTABLE, ACK | CREATE, family);
    message.text(TABLE_NAME, name).bytes(TABLE_USERDATA, userdata);
    message
}

/// Takes a table away.
pub(super) fn delete_table(name: &str) -> Message {
    let mut message = message(DELTABLE, ACK, INET);
    message.text(TABLE_NAME, name);
    message
}

/// A chain that a hook calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseChain {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) hook: u32,
    pub(super) priority: i32,
}

/// Makes a chain, unless it is there.
pub(super) fn add_chain(family: u8, table: &str, chain: BaseChain) -> Message {
    let mut message = message(NEWCHAIN, ACK | CREATE, family);
    message.text(CHAIN_TABLE, table).text(CHAIN_NAME, chain.name);
    message.nest(CHAIN_HOOK, |hook| {
        hook.be32(HOOK_NUMBER, chain.hook);
        hook.be32(HOOK_PRIORITY, chain.priority.cast_unsigned());
    });
    message.text(CHAIN_TYPE, chain.kind);
    message
}

/// Takes all rules of a chain away.
pub(super) fn flush_chain(table: &str, chain: &str) -> Message {
    let mut message = message(DELRULE, ACK, INET);
    message.text(RULE_TABLE, table).text(RULE_CHAIN, chain);
    message
}

/// Adds a rule behind the others.
pub(super) fn append_rule(family: u8, table: &str, chain: &str, rule: &[Expression]) -> Message {
    add_rule(family, APPEND, (table, chain), rule, None)
}

/// Adds a rule before the others, with a comment.
#[must_use]
pub fn insert_rule(
    family: u8,
    place: (&str, &str),
    rule: &[Expression],
    userdata: &[u8],
) -> Message {
    add_rule(family, 0, place, rule, Some(userdata))
}

fn add_rule(
    family: u8,
    flags: u16,
    (table, chain): (&str, &str),
    rule: &[Expression],
    userdata: Option<&[u8]>,
) -> Message {
    let mut message = message(NEWRULE, ACK | CREATE | flags, family);
    message.text(RULE_TABLE, table).text(RULE_CHAIN, chain);
    message.nest(RULE_EXPRESSIONS, |list| {
        for expression in rule {
            expression.write(list);
        }
    });
    if let Some(userdata) = userdata {
        message.bytes(RULE_USERDATA, userdata);
    }
    message
}

/// Takes a rule away.
#[must_use]
pub fn delete_rule(family: u8, (table, chain): (&str, &str), handle: u64) -> Message {
    let mut message = message(DELRULE, ACK, family);
    message.text(RULE_TABLE, table).text(RULE_CHAIN, chain);
    message.bytes(RULE_HANDLE, &handle.to_be_bytes());
    message
}

/// What a part of a key or of a value is: nft's number of the type, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field(u32, u32);

pub(super) const IPV4: Field = Field(7, 4);
pub(super) const IPV6: Field = Field(8, 16);
pub(super) const PROTOCOL: Field = Field(12, 1);
pub(super) const SERVICE: Field = Field(13, 2);
pub(super) const DEVICE: Field = Field(41, 16);

/// For `nft`, which else shows names as if they were turned round: type 0, four bytes, 1.
const HOST_ORDER: [u8; 6] = [0, 4, 1, 0, 0, 0];

/// A set, or a map if it has `data`. `ranges`: the first part of its keys may be a range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    pub(super) name: &'static str,
    pub(super) key: &'static [Field],
    pub(super) data: &'static [Field],
    pub(super) ranges: bool,
}

/// nft's number of a type made of several.
fn kind(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |kind, field| kind << 6 | field.0)
}

fn padded(field: &Field) -> u32 {
    field.1.next_multiple_of(4)
}

/// Makes a set, unless it is there. `id` is unique in the transaction.
pub(super) fn add_set(table: &str, set: &Set, id: u32) -> Message {
    let mut message = message(NEWSET, ACK | CREATE, INET);
    let mut flags = 0;
    if !set.data.is_empty() {
        flags |= MAP;
    }
    if set.ranges {
        flags |= INTERVAL | CONCAT;
    }
    message.text(SET_TABLE, table).text(SET_NAME, set.name).be32(SET_FLAGS, flags);
    message.be32(SET_KEY_TYPE, kind(set.key));
    message.be32(SET_KEY_LEN, set.key.iter().map(padded).sum());
    if !set.data.is_empty() {
        message.be32(SET_DATA_TYPE, kind(set.data));
        message.be32(SET_DATA_LEN, set.data.iter().map(padded).sum());
    }
    message.be32(SET_ID, id);
    if set.key == [DEVICE] {
        message.bytes(SET_USERDATA, &HOST_ORDER);
    }
    if set.ranges {
        message.nest(SET_DESC, |description| {
            description.nest(DESC_CONCAT, |fields| {
                for field in set.key {
                    fields.nest(LIST_ELEM, |element| {
                        element.be32(FIELD_LEN, field.1);
                    });
                }
            });
        });
    }
    message
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Element {
    /// Its key, or where its range of keys begins.
    pub(super) key: Vec<u8>,
    /// Where that ends.
    pub(super) end: Option<Vec<u8>>,
    /// What a map has for it.
    pub(super) data: Option<Vec<u8>>,
}

/// What is done with elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Add,
    Get,
    Delete,
}

/// Does something with elements of one set.
pub(super) fn elements(deed: Deed, table: &str, set: &str, elements: &[Element]) -> Message {
    let (kind, flags) = match deed {
        Deed::Add => (NEWSETELEM, CREATE),
        Deed::Get => (GETSETELEM, 0),
        Deed::Delete => (DELSETELEM, 0),
    };
    let mut message = message(kind, ACK | flags, INET);
    message.text(LIST_TABLE, table).text(LIST_SET, set);
    message.nest(LIST_ELEMENTS, |list| {
        for element in elements {
            list.nest(LIST_ELEM, |one| {
                one.nest(ELEM_KEY, |key| {
                    key.bytes(VALUE, &element.key);
                });
                if let Some(end) = &element.end {
                    one.nest(ELEM_KEY_END, |key| {
                        key.bytes(VALUE, end);
                    });
                }
                if let Some(data) = element.data.as_ref().filter(|_| deed == Deed::Add) {
                    one.nest(ELEM_DATA, |value| {
                        value.bytes(VALUE, data);
                    });
                }
            });
        }
    });
    message
}

/// All elements of a set.
pub(super) fn all_elements(table: &str, set: &str) -> Message {
    let mut message = message(GETSETELEM, DUMP, INET);
    message.text(LIST_TABLE, table).text(LIST_SET, set);
    message
}

/// A comment as `nft` and `iptables` write and show them: type 0, length, text.
#[must_use]
pub fn comment(text: &str) -> Vec<u8> {
    let mut bytes = vec![0, u8::try_from(text.len() + 1).expect("comments are short")];
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes
}
