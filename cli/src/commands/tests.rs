//! The tables themselves: sorted, unique, and one file a command.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

fn tables() -> Vec<(&'static str, &'static [Entry])> {
    let mut tables: Vec<(&'static str, &'static [Entry])> =
        vec![("docker", docker::TABLE), ("ctr", ctr::TABLE), ("crictl", crictl::TABLE)];
    for (name, table) in tables.clone() {
        for entry in table {
            if let Kind::Noun { children, .. } = entry.kind {
                assert!(!children.is_empty(), "{name} {}", entry.name);
                tables.push((entry.name, children));
            }
        }
    }
    tables
}

#[test]
fn every_table_is_sorted_and_names_nothing_twice() {
    for (name, table) in tables() {
        let names: Vec<&str> = table.iter().map(|entry| entry.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted, "{name}");
        let all: Vec<&str> =
            table.iter().flat_map(|e| e.aliases.iter().copied().chain([e.name])).collect();
        let unique: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), unique.len(), "{name}: {all:?}");
    }
}

#[test]
fn every_command_has_a_line_of_help_and_so_has_every_argument() {
    fn check(entry: &Entry, path: &str) {
        let command = entry.build(path);
        assert!(command.get_about().is_some(), "{path}");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{path} {}", arg.get_id());
        }
        if let Kind::Noun { children, .. } = entry.kind {
            children.iter().for_each(|child| check(child, &format!("{path} {}", child.name)));
        }
    }
    for (name, table) in [("docker", docker::TABLE), ("ctr", ctr::TABLE), ("crictl", crictl::TABLE)]
    {
        table.iter().for_each(|entry| check(entry, &format!("{name} {}", entry.name)));
    }
}

/// A file with a command in it is in a table: the number of files that implement a command
/// is the number of different commands.
#[test]
fn no_file_with_a_command_is_missing_from_the_tables() {
    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| match path.is_dir() {
                true => files(&path),
                false => {
                    let text = std::fs::read_to_string(&path).unwrap();
                    usize::from(text.contains("impl Verb for Args"))
                }
            })
            .sum()
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands");
    let commands: BTreeSet<usize> = tables()
        .into_iter()
        .flat_map(|(_, table)| table)
        .filter_map(|entry| match entry.kind {
            Kind::Leaf(leaf) => Some(leaf.run as usize),
            Kind::Noun { .. } => None,
        })
        .collect();
    // This file mentions the words too, without being a command.
    assert_eq!(files(&folder) - 1, commands.len());
}

#[test]
fn truth_values_are_gos() {
    assert_eq!(go_bool("T"), Ok(true));
    assert_eq!(go_bool("0"), Ok(false));
    assert!(go_bool("yes").is_err());
}
