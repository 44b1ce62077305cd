//! `internal man`: a manual page for every command, from what the commands themselves say.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;

use isopod_tests::TestContext;

/// The commands that a help text lists: indented by two, in its sections of commands.
fn listed(help: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut is_commands = false;
    for line in help.lines() {
        if !line.starts_with(' ') {
            is_commands = line.to_ascii_lowercase().contains("commands");
        } else if let (true, Some(rest)) = (is_commands, line.strip_prefix("  "))
            && !rest.starts_with(' ')
        {
            commands.extend(rest.split([' ', ',']).next());
        }
    }
    commands
}

#[test]
fn every_command_has_a_page_that_says_what_its_help_says() {
    let context = TestContext::without_registries();
    let folder = context.path("man");
    context.isopod(["internal", "man", folder.to_str().unwrap()]).succeeds().prints_nothing();
    let page = |name: &str| fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
    let help = context.isopod(["--help"]);
    let commands = listed(&help.stdout);
    assert!(commands.contains(&"run") && commands.contains(&"volume"), "{commands:?}");
    for command in commands {
        assert!(page(&format!("isopod-{command}")).contains(".SH NAME"), "{command}");
    }
    let run = page("isopod-run");
    for words in
        ["isopod run\\fR [OPTIONS] IMAGE [COMMAND]", "\\-\\-publish\\fR", "\\-\\-restart\\fR"]
    {
        assert!(run.contains(words), "{words}\n{run}");
    }
    page("isopod-network-create");
    page("isopod-ctr-images-pull");
    assert!(!folder.join("isopod-internal.1").exists());
}
