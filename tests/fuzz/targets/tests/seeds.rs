//! Every seed, and changes of it, through the function that the fuzzer of its folder calls.
//!
//! The changes are the same in every run: this is what CI has of fuzzing, and a fuzzer (`scripts/fuzz`) goes on
//! where this stops. How many there are of each seed says `ISOPOD_FUZZ_CHANGES`.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use isopod_fuzz_targets::{TARGETS, Target};

/// How many changes of each seed, for targets that only look at memory.
const CHANGES: usize = 1500;
/// The same for those that write files, or start GNU tar.
const FEW: usize = 60;
const SLOW: &[&str] = &[
    "docker_config",
    "hosts_toml",
    "image_config",
    "layer",
    "log_file",
    "passwd",
    "registries_conf",
];

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// Numbers that are the same in every run (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// What parsers trip over.
const INTERESTING: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x7f\xff\xff\xff",
    b"\x80",
    b"-1",
    b"0",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"99999999999999999999",
    b"1e999",
    b"..",
    b"/",
    b"//",
    b"/../",
    b":",
    b"@",
    b"%00",
    b"\n",
    b"\r\n",
    b"{}",
    b"[]",
    b"null",
    b"\"",
    b"\\",
    b"{{",
    b"}}",
    b"((((((((",
    b"[[[[[[[[",
    b"\xc0\x80",
    "\u{feff}".as_bytes(),
    "\u{e9}".as_bytes(),
];

fn changed(seed: &[u8], others: &[(PathBuf, Vec<u8>)], numbers: &mut Numbers) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(data.len() + 1);
        let length = numbers.below(16).min(data.len() - at);
        match numbers.below(7) {
            0 if at < data.len() => data[at] ^= 1 << numbers.below(8),
            1 if at < data.len() => data[at] = numbers.below(256) as u8,
            2 => drop(data.drain(at..at + length)),
            3 => {
                let piece = data[at..at + length].to_vec();
                let repeated = piece.repeat(1 + numbers.below(40));
                drop(data.splice(at..at, repeated));
            }
            4 => drop(data.splice(at..at, INTERESTING[numbers.below(INTERESTING.len())].to_vec())),
            5 => {
                drop(data.splice(
                    at..at + length,
                    INTERESTING[numbers.below(INTERESTING.len())].to_vec(),
                ))
            }
            _ => {
                let other = &others[numbers.below(others.len())].1;
                let from = numbers.below(other.len() + 1);
                let end = from + numbers.below(64).min(other.len() - from);
                drop(data.splice(at..at + length, other[from..end].to_vec()));
            }
        }
    }
    data
}

/// Feeds one input; one that breaks a promise is kept, and named.
fn feed(name: &str, target: Target, data: &[u8], origin: &Path) {
    if catch_unwind(AssertUnwindSafe(|| target(data))).is_err() {
        let kept = std::env::temp_dir().join(format!("isopod-fuzz-{name}"));
        let is_kept = fs::write(&kept, data).is_ok();
        let place =
            if is_kept { kept.display().to_string() } else { data.escape_ascii().to_string() };
        panic!("{name} fails on {place}, from {}", origin.display());
    }
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|(known, _)| *known == name).unwrap().1;
    let seeds = seeds(name);
    assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
    let usual = if SLOW.contains(&name) { FEW } else { CHANGES };
    let changes = std::env::var("ISOPOD_FUZZ_CHANGES").map_or(usual, |text| text.parse().unwrap());
    for (file, seed) in &seeds {
        feed(name, target, seed, file);
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ seed.len() as u64);
        for _ in 0..changes {
            feed(name, target, &changed(seed, &seeds, &mut numbers), file);
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn every_target_has_its_seeds_its_fuzzer_and_its_test() {
            let tested = [$(stringify!($name)),*];
            let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(tested[..], known[..]);
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let names = |folder: &str| -> Vec<String> {
                let entries = fs::read_dir(fuzz.join(folder)).unwrap();
                let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
                let mut names: Vec<_> = entries.map(|entry| stem(entry.unwrap().path())).collect();
                names.sort();
                names
            };
            assert_eq!(names("seeds"), known);
            assert_eq!(names("fuzz_targets"), known);
            let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            for name in known {
                assert!(manifest.contains(&format!("\nname = \"{name}\"\n")), "no fuzzer of {name}");
            }
        }
    };
}

targets! {
    dns docker_config document hosts_toml image_config layer log_file monitor_files monitor_messages netlink
    oci_spec passwd reference registries_conf spdy template websocket
}
