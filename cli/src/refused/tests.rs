//! Every command and flag of the originals is there, or refused by name with a reason.
//!
//! The inventories under `tests/data` are names from the originals' own references: docker's
//! and nerdctl's `command, flags…`, ctr's `file, command, aliases, arguments, flags, groups`.

use std::collections::BTreeSet;

use super::*;
use crate::app;
use crate::commands::{self, Entry, Kind};

const DOCKER: &str = include_str!("../../tests/data/docker.tsv");
const NERDCTL: &str = include_str!("../../tests/data/nerdctl.tsv");
const CTR: &str = include_str!("../../tests/data/ctr.tsv");
const CRICTL: &str = include_str!("../../tests/data/crictl.tsv");

/// What crictl's sources give by constants, and its inventory leaves out: flags before the command, flags of a command.
const CRICTL_CONSTANTS: &[(&str, &str)] = &[
    (
        "",
        "--config/-c --runtime-endpoint/-r --image-endpoint/-i --timeout/-t --debug/-D --max-retries --enable-streaming --enable-tracing --tracing-endpoint --tracing-sampling-rate-per-million --profile-cpu --profile-mem",
    ),
    ("attach", "--transport/-r --tls-sni --tls-server-name --tls-ca --tls-cert --tls-key"),
    (
        "create",
        "--no-pull --with-pull --cancel-timeout/-T --creds --auth --username/-u --pull-timeout",
    ),
    ("exec", "--transport/-r --tls-sni --tls-server-name --tls-ca --tls-cert --tls-key"),
    ("port-forward", "--transport/-r --tls-sni --tls-server-name --tls-ca --tls-cert --tls-key"),
    ("pull", "--creds --auth --username/-u --pull-timeout"),
    (
        "run",
        "--no-pull --with-pull --cancel-timeout/-T --creds --auth --username/-u --pull-timeout --runtime/-r",
    ),
    ("update-runtime-config", "--pod-cidr/-p"),
];

/// ctr's groups of flags (containerd's `cmd/ctr/commands`, and `run` itself).
const GROUPS: &[(&str, &str)] = &[
    (
        "+RegistryFlags",
        "--skip-verify/-k --plain-http --user/-u --refresh --hosts-dir --tlscacert --tlscert --tlskey --http-dump --http-trace",
    ),
    ("+SnapshotterFlags", "--snapshotter"),
    ("+LabelFlag", "--label"),
    ("+RuntimeFlags", "--runtime --runtime-config-path"),
    (
        "+ContainerFlags",
        "--config/-c --cwd --env --env-file --label --annotation --mount --net-host --privileged --read-only --sandbox --tty/-t --with-ns --pid-file --gpus --allow-new-privs --memory-limit --cap-add --cap-drop --seccomp --seccomp-profile --apparmor-default-profile --apparmor-profile --blockio-config-file --blockio-class --rdt-class --hostname --user/-u --runc-binary --runc-root --runc-systemd-cgroup --rootfs --no-pivot --cpu-quota --cpu-period --rootfs-propagation --device",
    ),
    (
        "+Run",
        "--uidmap --gidmap --remap-labels --privileged-without-host-devices --cpus --cpu-shares --cpuset-cpus --cpuset-mems --rlimit-nofile --rm --null-io --log-uri --detach/-d --fifo-dir --cgroup --platform --cni",
    ),
];

/// A command of an original, with its flags in the inventory's spelling.
struct Original {
    path: String,
    flags: Vec<String>,
}

fn docker() -> Vec<Original> {
    let own = DOCKER.lines().map(|line| {
        let (command, flags) = line.split_once('\t').unwrap_or((line, ""));
        let path = if command == "docker" { "" } else { command };
        original(path, [flags])
    });
    let nerdctl = NERDCTL.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        original(cells[0], cells[2..].iter().copied())
    });
    own.chain(nerdctl).collect()
}

fn ctr() -> Vec<Original> {
    CTR.lines()
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let noun = cells[0].split('/').next().unwrap();
            let path = match cells[1] {
                command if command == noun => command.to_owned(),
                command => format!("{noun} {command}"),
            };
            let cell = |index: usize| cells.get(index).copied().unwrap_or_default();
            let mut groups: Vec<&str> = cell(5).split_whitespace().collect();
            if path == "run" {
                groups.push("+Run");
            }
            let of_groups = groups.iter().map(|name| {
                GROUPS.iter().find(|(group, _)| group == name).expect("a known group").1
            });
            original(&path, of_groups.chain([cell(4)]))
        })
        .collect()
}

fn crictl() -> Vec<Original> {
    let own = CRICTL.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        original(cells[1], cells.get(4).copied())
    });
    let constants = CRICTL_CONSTANTS.iter().map(|(path, flags)| original(path, [*flags]));
    own.chain(constants).collect()
}

fn original<'a>(path: &str, flags: impl IntoIterator<Item = &'a str>) -> Original {
    let flags = flags.into_iter().flat_map(str::split_whitespace);
    Original {
        path: path.to_owned(),
        flags: flags.map(|flag| flag.trim_end_matches('*').to_owned()).collect(),
    }
}

/// The names that a clap command answers to, with their dashes.
fn names_of(command: &clap::Command) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for arg in command.get_arguments() {
        names.extend(arg.get_short().map(|short| format!("-{short}")));
        names.extend(
            arg.get_long_and_visible_aliases()
                .unwrap_or_default()
                .iter()
                .map(|long| format!("--{long}")),
        );
    }
    names
}

/// Walks the table; the clap command of what was found.
fn build(table: &'static [Entry], path: &str, program: &str) -> Option<clap::Command> {
    if path.is_empty() {
        let personality = match program {
            "crictl" => Personality::Crictl,
            _ => Personality::Docker,
        };
        return Some(app::full(personality, program, table));
    }
    let mut table = table;
    let mut words = path.split(' ').peekable();
    while let Some(word) = words.next() {
        let entry = commands::find(table, word)?;
        match entry.kind {
            Kind::Leaf(_) => return words.peek().is_none().then(|| entry.build(path)),
            Kind::Noun { .. } if words.peek().is_none() => return Some(entry.build(path)),
            Kind::Noun { children, .. } => table = children,
        }
    }
    None
}

fn missing(
    personality: Personality,
    table: &'static [Entry],
    originals: &[Original],
) -> Vec<String> {
    let mut missing = Vec::new();
    for Original { path, flags } in originals {
        let words: Vec<&str> = path.split(' ').filter(|word| !word.is_empty()).collect();
        let Some(command) = build(table, path, personality.name()) else {
            // A shell is an argument of `completion`, not a command.
            let is_argument =
                words.first() == Some(&"completion") && words.get(1) != Some(&"powershell");
            if super::command(personality, "x", &words).is_none() && !is_argument {
                missing.push(path.clone());
            }
            continue;
        };
        let names = names_of(&command);
        for name in flags.iter().flat_map(|flag| flag.split('/')) {
            if !names.contains(name) && super::flag(personality, "x", path, name).is_none() {
                missing.push(format!("{path} {name}"));
            }
        }
    }
    missing
}

#[test]
fn every_command_and_flag_of_docker_and_nerdctl_is_there_or_refused() {
    let missing = missing(Personality::Docker, commands::docker::TABLE, &docker());
    assert!(missing.is_empty(), "neither there nor refused: {missing:#?}");
}

#[test]
fn every_command_and_flag_of_ctr_is_there_or_refused() {
    let missing = missing(Personality::Ctr, commands::ctr::TABLE, &ctr());
    assert!(missing.is_empty(), "neither there nor refused: {missing:#?}");
}

#[test]
fn every_command_and_flag_of_crictl_is_there_or_refused() {
    let missing = missing(Personality::Crictl, commands::crictl::TABLE, &crictl());
    assert!(missing.is_empty(), "neither there nor refused: {missing:#?}");
}

/// ctr's aliases of nouns, and of the commands that are there. Single letters beside other
/// commands are those of flags, which the inventory could not tell apart.
#[test]
fn every_alias_of_ctr_leads_to_its_command() {
    for line in CTR.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let noun = cells[0].split('/').next().unwrap();
        let aliases = cells[2].split(", ").map(|alias| alias.trim_matches('"'));
        let aliases = aliases.filter(|alias| !alias.is_empty());
        let is_noun = cells[1] == noun;
        let known = [("namespaces", "create", "c"), ("images", "inspect", "i")];
        for alias in aliases {
            if !is_noun && alias.len() == 1 && !known.contains(&(noun, cells[1], alias)) {
                continue;
            }
            let path = if is_noun { noun.to_owned() } else { format!("{noun} {}", cells[1]) };
            let aliased = if is_noun { alias.to_owned() } else { format!("{noun} {alias}") };
            let Some(command) = build(commands::ctr::TABLE, &path, "ctr") else { continue };
            let found = build(commands::ctr::TABLE, &aliased, "ctr");
            let found = found.unwrap_or_else(|| {
                // `run` and `version` carry their flags' letters in the inventory.
                assert!(alias.len() == 1 && matches!(build(commands::ctr::TABLE, &path, "ctr"), Some(c) if c.get_subcommands().next().is_none()), "{aliased}");
                command.clone()
            });
            assert_eq!(found.get_name(), command.get_name(), "{aliased}");
        }
    }
}

#[test]
fn nothing_is_both_there_and_refused() {
    for (personality, table) in [
        (Personality::Docker, commands::docker::TABLE),
        (Personality::Ctr, commands::ctr::TABLE),
        (Personality::Crictl, commands::crictl::TABLE),
    ] {
        for row in rows(personality) {
            let built = build(table, row.command, personality.name());
            if row.is_command() {
                assert!(built.is_none(), "{} is there", row.command);
                continue;
            }
            let names = names_of(&built.expect("flags are refused at commands that are there"));
            for name in row.flags.split([' ', '/']) {
                assert!(!names.contains(name), "{} {name} is there", row.command);
            }
        }
    }
}

#[test]
fn every_reason_has_a_sentence_and_every_sentence_a_use() {
    let used: BTreeSet<&str> = [Personality::Docker, Personality::Ctr, Personality::Crictl]
        .into_iter()
        .flat_map(rows)
        .map(|row| row.reason)
        .collect();
    let known: BTreeSet<&str> = reasons().map(|(name, _)| name).collect();
    assert_eq!(used, known);
}

#[test]
fn a_refusal_names_the_command_its_flag_and_the_reason() {
    let refusal = flag(Personality::Docker, "docker", "run", "--gpus").unwrap();
    assert!(refusal.to_string().starts_with("`docker run --gpus` is not supported: GPUs"));
    let refusal = command(Personality::Docker, "isopod", &["compose", "up", "-d"]).unwrap();
    assert!(refusal.to_string().starts_with("`isopod compose` is not supported:"), "{refusal}");
    assert_eq!(command(Personality::Docker, "isopod", &["frobnicate"]), None);
}

/// `docs/differences.md` holds the tables between its two marks.
#[test]
fn the_page_of_differences_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences.md");
    let page = std::fs::read_to_string(path).unwrap();
    let expected = rendered();
    assert!(
        page.contains(&expected),
        "docs/differences.md differs from the tables of refusals; it should hold:\n{expected}"
    );
}

fn rendered() -> String {
    let mut page = String::from("<!-- made from cli/src/refused, held by a test -->\n");
    for (personality, title) in [
        (Personality::Docker, "docker, nerdctl"),
        (Personality::Ctr, "ctr"),
        (Personality::Crictl, "crictl"),
    ] {
        page.push_str(&format!("\n### {title}\n\n| | Reason |\n|---|---|\n"));
        for (reason, sentence) in reasons() {
            let of_reason = rows(personality).filter(|row| row.reason == reason);
            let what: Vec<String> = of_reason
                .map(|row| match (row.is_command(), row.command) {
                    (true, command) => format!("`{command}`"),
                    (false, "") => format!("`{}`", row.flags),
                    (false, command) => format!("`{command} {}`", row.flags),
                })
                .collect();
            if !what.is_empty() {
                page.push_str(&format!("| {} | {sentence} |\n", what.join(", ")));
            }
        }
    }
    page
}
