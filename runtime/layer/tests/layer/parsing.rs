//! Archives that readers understand differently (CVE-2025-62518, RUSTSEC-2026-0113): read
//! as GNU tar reads them, or refused.

use std::process::Command;

use isopod_layer::tar::{Archive, Entry, TarError, Time};

use crate::archive::{Header, Tar};
use crate::scratch::scratch;

fn read(tar: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut archive = Archive::new(tar, 1 << 20);
    let mut entries = Vec::new();
    while let Some(entry) = archive.next()? {
        let mut content = Vec::new();
        loop {
            let piece = archive.content()?;
            if piece.is_empty() {
                break;
            }
            let length = piece.len();
            content.extend_from_slice(piece);
            archive.consume(length);
        }
        entries.push((entry, content));
    }
    Ok(entries)
}

fn names(tar: &[u8]) -> Result<Vec<String>, TarError> {
    let name = |(entry, _): (Entry, _)| String::from_utf8(entry.path).unwrap();
    Ok(read(tar)?.into_iter().map(name).collect())
}

/// The names GNU tar finds.
fn gnu_names(tar: &[u8]) -> Vec<String> {
    let root = scratch();
    let path = root.path().join("a.tar");
    std::fs::write(&path, tar).unwrap();
    let output = Command::new("tar").arg("-tPf").arg(&path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[track_caller]
fn refused(tar: &[u8], why: &str) {
    let error = read(tar).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}

/// An archive within an archive, as smugglers put it.
fn smuggled() -> Vec<u8> {
    Tar::new().file("smuggled", "evil").unfinished()
}

#[test]
fn an_extended_size_says_where_the_next_header_is() {
    let inner = smuggled();
    let size = inner.len().to_string();
    // The header says 0, the record the truth: the inner archive is content.
    let longer = Tar::new()
        .pax(&[("size", size.as_bytes())])
        .raw(Header::new(b'0', b"carrier"), &inner)
        .file("after", "")
        .finish();
    assert_eq!(names(&longer).unwrap(), ["carrier", "after"]);
    assert_eq!(names(&longer).unwrap(), gnu_names(&longer));
    // The header says much, the record nothing: the inner archive is entries.
    let shorter = Tar::new()
        .pax(&[("size", b"0")])
        .raw(Header::new(b'0', b"carrier").size(inner.len() as u64), &inner)
        .file("after", "")
        .finish();
    assert_eq!(names(&shorter).unwrap(), ["carrier", "smuggled", "after"]);
    assert_eq!(names(&shorter).unwrap(), gnu_names(&shorter));
}

#[test]
fn an_extended_size_is_not_that_of_another_extension() {
    let inner = smuggled();
    let size = inner.len().to_string();
    let tar = Tar::new()
        .pax(&[("size", size.as_bytes())])
        .raw(Header::new(b'L', b"././@LongLink").gnu().size(5), b"long\0")
        .raw(Header::new(b'0', b"short"), &inner)
        .file("after", "")
        .finish();
    assert_eq!(names(&tar).unwrap(), ["long", "after"]);
    assert_eq!(read(&tar).unwrap()[0].1, inner);
}

#[test]
fn content_where_none_can_be_is_refused() {
    let inner = smuggled();
    let size = inner.len() as u64;
    for flag in *b"23456" {
        let header = Header::new(flag, b"x").link(b"y").size(size);
        refused(&Tar::new().raw(header, &inner).finish(), "can have no content");
        let text = size.to_string();
        let tar = Tar::new().pax(&[("size", text.as_bytes())]);
        let tar = tar.raw(Header::new(flag, b"x").link(b"y"), &inner).finish();
        refused(&tar, "can have no content");
    }
    // On a hard link every reader ignores a header's size; a record's they don't.
    let tar = Tar::new().raw(Header::new(b'1', b"x").link(b"y").size(size), b"").file("z", "");
    let tar = tar.finish();
    assert_eq!(names(&tar).unwrap(), ["x", "z"]);
    assert_eq!(names(&tar).unwrap(), gnu_names(&tar));
    let text = size.to_string();
    let tar = Tar::new().pax(&[("size", text.as_bytes())]);
    refused(&tar.raw(Header::new(b'1', b"x").link(b"y"), &inner).finish(), "can have no content");
    refused(&Tar::new().entry(b'0', "folder/", "", b"x").finish(), "the name of a folder");
}

#[test]
fn records_are_read_strictly() {
    let records = |bytes: &[u8]| {
        let header = Header::new(b'x', b"x").size(bytes.len() as u64);
        Tar::new().raw(header, bytes).file("f", "").finish()
    };
    for bytes in [
        &b"9 path=ab"[..],
        b"10 path=ab",
        b"99 path=ab\n",
        b"3 a\n",
        b"0 path=a\n",
        b"-9 path=a\n",
        b"+9 path=a\n",
        b"99999999999999999999 path=a\n",
        b"5 =a\n",
        b"9 path=a\n\0\0",
        b" 9 path=a\n",
        b"\n",
    ] {
        refused(&records(bytes), "malformed record");
    }
    for bytes in ["12 size=1 2\n", "11 size=-1\n", "13 mtime=1x2\n", "11 uid=0x1\n", "11 mtime=-\n"]
    {
        refused(&records(bytes.as_bytes()), "no number");
    }
    assert_eq!(names(&records(b"9 path=b\n")).unwrap(), ["b"]);
    // An empty value takes back what came before.
    assert_eq!(names(&records(b"9 path=b\n8 path=\n")).unwrap(), ["f"]);
}

#[test]
fn a_global_header_holds_for_all_and_names_none() {
    let tar = Tar::new()
        .extended(b'g', &[("comment", b"by git"), ("uid", b"7"), ("mtime", b"1.5")])
        .file("a", "")
        .pax(&[("uid", b"8")])
        .file("b", "")
        .finish();
    let entries = read(&tar).unwrap();
    assert_eq!((entries[0].0.uid, entries[1].0.uid), (7, 8));
    assert_eq!(entries[1].0.mtime, Time { seconds: 1, nanoseconds: 500_000_000 });
    for record in [("path", "x"), ("linkpath", "x"), ("size", "9"), ("GNU.sparse.major", "1")] {
        let tar = Tar::new().extended(b'g', &[(record.0, record.1.as_bytes())]).file("a", "");
        refused(&tar.finish(), "speaks of one entry");
    }
}

#[test]
fn damaged_and_unknown_headers_are_refused() {
    let good = Tar::new().file("file", "content").finish();
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    refused(&flipped, "checksum");
    refused(&good[..515], "ends at byte 515 inside an entry's content");
    refused(&good[..100], "ends at byte 100 inside a header");
    assert_eq!(names(&good[..1024]).unwrap(), ["file"], "the end mark may be missing");
    assert_eq!(names(&good[..1536]).unwrap(), ["file"], "or be cut short");
    assert_eq!(names(&good[..519]).unwrap(), ["file"], "or the padding too");
    let gap = [&good[..1024], &[0; 512], &good[..]].concat();
    refused(&gap, "a block of zeros before another header");
    let after = [&good[..], &b"anything"[..]].concat();
    assert_eq!(names(&after).unwrap(), ["file"]);
    for flag in *b"DMNVXZ" {
        refused(&Tar::new().entry(flag, "odd", "", b"").finish(), "unknown type");
    }
    refused(&Tar::new().pax(&[("path", b"x")]).finish(), "that does not follow");
    refused(&Tar::new().entry(b'2', "link", "", b"").finish(), "a link to nothing");
    refused(&Tar::new().file("", "").finish(), "has no name");
    let size = Header::new(b'0', b"x").bytes(124, &[0xff; 12]);
    refused(&Tar::new().raw(size, b"").finish(), "malformed size");
    let size = Header::new(b'0', b"x").bytes(124, b"00000000128\0");
    refused(&Tar::new().raw(size, b"").finish(), "malformed size");
}

#[test]
fn headers_beyond_their_limit_are_refused() {
    for flag in *b"xgLK" {
        let header = Header::new(flag, b"x").size((1 << 20) + 1);
        refused(&Tar::new().raw(header, b"").finish(), "larger than the limit");
    }
}

#[test]
fn a_long_name_ends_within_its_size() {
    let named = |size: u64, name: &[u8]| {
        let tar = Tar::new().raw(Header::new(b'L', b"././@LongLink").gnu().size(size), name);
        read(&tar.raw(Header::new(b'0', b"short").gnu(), b"").finish())
    };
    for (size, name) in [(5, &b"long\0"[..]), (4, b"long"), (8, b"long\0abc")] {
        assert_eq!(named(size, name).unwrap()[0].0.path, b"long", "{size}");
    }
    assert_eq!(named(512, &[b'x'; 512]).unwrap()[0].0.path, [b'x'; 512]);
    // GNU tar 1.34 and Python's tarfile find a file called `longer` here, Go's archive/tar one called `long`.
    assert!(named(4, b"longer").is_err());
}

#[test]
fn numbers_come_in_octal_and_in_base_256() {
    let header = |bytes: &[u8]| Header::new(b'0', b"x").bytes(136, bytes);
    let mtime =
        |bytes: &[u8]| read(&Tar::new().raw(header(bytes), b"").finish()).unwrap()[0].0.mtime;
    assert_eq!(mtime(b"00000000017\0").seconds, 15);
    assert_eq!(mtime(b"         17 ").seconds, 15);
    assert_eq!(mtime(b"777777777777").seconds, 0o777_777_777_777);
    assert_eq!(mtime(&[0; 12]).seconds, 0);
    // Go's archive/tar reads 15 here, GNU tar and Python's tarfile 0: a mode or a size could hide so.
    for field in [b"\0\0\0\0\0\0\0\0\x30\x31\x37\0", b"    \0\0\0\0\x30\x31\x37\0"] {
        refused(&Tar::new().raw(header(field), b"").finish(), "time");
        let size = Header::new(b'0', b"x").bytes(124, field);
        refused(&Tar::new().raw(size, b"content of 15 b").finish(), "size");
    }
    assert_eq!(mtime(b"\x80\0\0\0\0\0\0\x01\0\0\0\0").seconds, 1 << 32);
    assert_eq!(mtime(&[0xff; 12]).seconds, -1);
    refused(
        &Tar::new().raw(header(b"\xbf\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), b"").finish(),
        "time",
    );
    let time = |text: &str| {
        let tar = Tar::new().pax(&[("mtime", text.as_bytes())]).file("x", "").finish();
        read(&tar).unwrap()[0].0.mtime
    };
    assert_eq!(time("-1.25"), Time { seconds: -2, nanoseconds: 750_000_000 });
    assert_eq!(time("3.1234567899"), Time { seconds: 3, nanoseconds: 123_456_789 });
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    let sparse = |map: &str, real: &str, content: &[u8]| {
        Tar::new()
            .pax(&[("GNU.sparse.size", real.as_bytes()), ("GNU.sparse.map", map.as_bytes())])
            .entry(b'0', "s", "", content)
            .finish()
    };
    assert_eq!(read(&sparse("1,2,8,2", "10", b"abcd")).unwrap()[0].0.length, 10);
    for (map, real) in [
        ("1,2,8,2", "9"),
        ("8,2,1,2", "10"),
        ("1,2,2,2", "10"),
        ("1,2", "10"),
        ("1,2,8,3", "11"),
        ("1,4,18446744073709551615,1", "10"),
    ] {
        refused(&sparse(map, real, b"abcd"), "can't be true");
    }
    refused(&sparse("1,2,8", "10", b"abcd"), "no number");
    refused(&sparse("1,,8,2", "10", b"abcd"), "no number");
    // The map of version 1.0 stands before the content, and may be cut or endless.
    let version = [
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"10"),
    ];
    let with_map = |map: &[u8]| {
        let mut content = map.to_vec();
        content.resize(content.len().next_multiple_of(512), 0);
        content.extend_from_slice(b"abcd");
        Tar::new().pax(&version).entry(b'0', "s", "", &content).finish()
    };
    let entries = read(&with_map(b"2\n1\n2\n8\n2\n")).unwrap();
    assert_eq!(entries[0].1, b"abcd");
    for map in [&b"2\n1\n2\n8\n"[..], b"\n", b"x\n", b"9999\n1\n", b"2\n1\n2\n8\n-2\n"] {
        refused(&with_map(map), "malformed sparse map");
    }
    refused(&with_map(b"99999999\n1\n"), "too many pieces");
}
