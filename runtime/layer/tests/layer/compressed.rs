//! Compressed layers: what gzip and zstd write, in pieces, damaged, and with windows too large.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use isopod_image::digest::{Algorithm, Digest};
use isopod_layer::{
    Algorithms, Arrived, Cause, Compression, LayerError, Limits, Observer, Target, Unpacked, unpack,
};

use crate::archive::Tar;

/// What a tool makes of bytes on its standard input.
fn filter(bytes: &[u8], command: &str) -> Vec<u8> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(bytes).unwrap());
        let mut output = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        assert!(child.wait().unwrap().success(), "{command}");
        output
    })
}

fn discard(bytes: &[u8]) -> Result<Unpacked, LayerError> {
    discard_from(bytes, Compression::detect(bytes))
}

fn discard_from(input: impl Read + Send, by: Compression) -> Result<Unpacked, LayerError> {
    unpack(input, by, Algorithms::default(), Target::Discard, &Limits::default(), &())
}

/// An archive of several chunks, not too regular.
fn tar() -> Vec<u8> {
    let mut state = 1_u32;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcdefgh"[(state >> 29) as usize]
    })
    .take(3_000_000)
    .collect();
    Tar::new().entry(b'0', "random", "", &content).finish()
}

#[track_caller]
fn assert_complete(unpacked: &Unpacked, blob: &[u8], tar: &[u8]) {
    assert_eq!(unpacked.digest, Digest::sha256(blob));
    assert_eq!(unpacked.size, blob.len() as u64);
    assert_eq!(unpacked.diff_id, Digest::sha256(tar));
    assert_eq!(unpacked.tar_size, tar.len() as u64);
}

#[test]
fn what_gzip_and_zstd_write_comes_out_with_both_digests() {
    let tar = tar();
    for command in ["cat", "gzip -1", "gzip -9", "zstd -1", "zstd -19", "zstd --no-check"] {
        let blob = filter(&tar, command);
        assert_complete(&discard(&blob).expect(command), &blob, &tar);
    }
}

#[test]
fn members_and_frames_follow_each_other() {
    let tar = tar();
    let (first, second) = tar.split_at(1_234_567);
    let empty_skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    let skippable = [&[0x5f, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"extra"].concat();
    for command in ["gzip", "zstd"] {
        let blob = [filter(first, command), filter(b"", command), filter(second, command)].concat();
        assert_complete(&discard(&blob).expect(command), &blob, &tar);
    }
    let frames = [filter(first, "zstd"), skippable, filter(second, "zstd")].concat();
    let blob = [&empty_skippable[..], &frames, &empty_skippable].concat();
    assert_complete(&discard(&blob).unwrap(), &blob, &tar);
}

#[test]
fn what_follows_the_end_of_the_archive_belongs_to_the_diff_id() {
    let tar = [tar(), vec![7; 1_000_000]].concat();
    let blob = filter(&tar, "gzip -1");
    let root = crate::scratch::scratch();
    let folder = std::fs::File::open(root.path()).unwrap();
    let target = Target::Merged { folder: std::os::fd::AsFd::as_fd(&folder) };
    let limits = Limits::default();
    let unpacked =
        unpack(&blob[..], Compression::Gzip, Algorithms::default(), target, &limits, &()).unwrap();
    assert_complete(&unpacked, &blob, &tar);
    assert_eq!(unpacked.entries, 1);
}

#[test]
fn damaged_bytes_are_an_error_that_knows_what_arrived() {
    let tar = tar();
    for command in ["gzip", "zstd"] {
        let blob = filter(&tar, command);
        let mut flipped = blob.clone();
        flipped[blob.len() / 2] ^= 0x10;
        let truncated = blob[..blob.len() - 3].to_vec();
        let followed = [&blob[..], b"no header"].concat();
        for damaged in [flipped, truncated, followed] {
            let error = discard(&damaged).unwrap_err();
            assert!(matches!(error.cause, Cause::Inflate { .. }), "{command}: {error:?}");
            let digest = Digest::sha256(&damaged);
            let arrived = Arrived { digest, size: damaged.len() as u64 };
            assert_eq!(error.arrived, Some(arrived), "{command}");
        }
    }
}

#[test]
fn a_malformed_archive_is_an_error_that_knows_what_arrived() {
    let blob = filter(&vec![1; 2_000_000], "gzip -1");
    let root = crate::scratch::scratch();
    let folder = std::fs::File::open(root.path()).unwrap();
    let target = Target::Merged { folder: std::os::fd::AsFd::as_fd(&folder) };
    let limits = Limits::default();
    let error = unpack(&blob[..], Compression::Gzip, Algorithms::default(), target, &limits, &())
        .unwrap_err();
    assert!(matches!(error.cause, Cause::Tar(_)), "{error:?}");
    assert_eq!(error.arrived.unwrap().digest, Digest::sha256(&blob));
}

#[test]
fn a_window_of_8_mib_is_taken_and_a_larger_one_refused_by_its_limit() {
    // Without its size in the frame's header the window alone decides.
    let tar = Tar::new().entry(b'0', "large", "", &vec![0; 20 << 20]).finish();
    let blob = filter(&tar, "zstd --long=23 -3 -c");
    assert_complete(&discard(&blob).unwrap(), &blob, &tar);
    for command in ["zstd --long=24 -3 -c", "zstd --ultra -22 -c", "zstd --long=31 -1 -c"] {
        let blob = filter(&tar, command);
        let error = discard(&blob).unwrap_err();
        assert!(matches!(error.cause, Cause::Window), "{command}: {error:?}");
        assert!(error.to_string().contains("8388608 bytes"), "{error}");
        assert_eq!(error.arrived.unwrap().digest, Digest::sha256(&blob));
    }
}

/// Fails after some bytes, as a broken connection does.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::new(io::ErrorKind::ConnectionReset, "reset by the registry")),
            amount => Ok(amount),
        }
    }
}

#[test]
fn an_input_that_fails_is_told_from_one_that_is_malformed() {
    let blob = filter(&tar(), "gzip");
    for by in [Compression::Gzip, Compression::None] {
        let error = discard_from(Broken(&blob[..blob.len() / 2]), by).unwrap_err();
        let Cause::Input(source) = &error.cause else { panic!("{error:?}") };
        assert_eq!(source.to_string(), "reset by the registry");
        assert_eq!(error.arrived, None);
    }
}

/// Gives a byte at a time now and then, and is interrupted in between.
struct Trickling<'a>(&'a [u8], usize);

impl Read for Trickling<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        match self.1 % 3 {
            0 => Err(io::ErrorKind::Interrupted.into()),
            1 => self.0.read(&mut into[..1]),
            _ => self.0.read(into),
        }
    }
}

#[test]
fn the_input_may_come_in_any_pieces() {
    let tar = tar();
    for command in ["cat", "gzip", "zstd"] {
        let blob = filter(&tar, command);
        let unpacked =
            discard_from(Trickling(&blob, 0), Compression::detect(&blob)).expect(command);
        assert_complete(&unpacked, &blob, &tar);
    }
}

#[derive(Default)]
struct Counting {
    arrived: AtomicU64,
    unpacked: AtomicU64,
}

impl Observer for Counting {
    fn arrived(&self, bytes: u64) {
        self.arrived.fetch_add(bytes, Ordering::Relaxed);
    }

    fn unpacked(&self, bytes: u64) {
        self.unpacked.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[test]
fn an_observer_hears_of_every_byte_and_each_digest_has_its_own_function() {
    let tar = tar();
    let blob = filter(&tar, "gzip");
    let counting = Counting::default();
    let algorithms = Algorithms { blob: Algorithm::Sha512, diff: Algorithm::Sha256 };
    let limits = Limits::default();
    let unpacked =
        unpack(&blob[..], Compression::Gzip, algorithms, Target::Discard, &limits, &counting)
            .unwrap();
    assert_eq!(counting.arrived.into_inner(), blob.len() as u64);
    assert_eq!(counting.unpacked.into_inner(), tar.len() as u64);
    assert_eq!(unpacked.digest, Digest::compute(Algorithm::Sha512, &blob));
    assert_eq!(unpacked.diff_id, Digest::sha256(&tar));
}
