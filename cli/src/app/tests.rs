//! Command lines in, texts and statuses out: what needs no store.

use super::*;

fn app(personality: Personality) -> App {
    let (program, table) = match personality {
        Personality::Ctr => ("ctr", commands::ctr::TABLE),
        Personality::Crictl => ("crictl", commands::crictl::TABLE),
        _ => ("isopod", commands::docker::TABLE),
    };
    App { personality, program: program.to_owned(), table }
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// The text or error that a command line stops at.
fn stopped(personality: Personality, line: &str) -> String {
    let app = app(personality);
    let stop = match app.globals(&words(line)) {
        Err(stop) => stop,
        Ok((_, words)) => match app.command(&words) {
            Err(stop) => stop,
            Ok(_) => panic!("{line} is a whole command line"),
        },
    };
    match stop {
        Stop::Text(text) => text,
        Stop::Failed(error) => error.line(),
    }
}

fn matched(personality: Personality, line: &str) -> ArgMatches {
    let app = app(personality);
    let parsed = app.globals(&words(line)).and_then(|(_, words)| app.command(&words));
    match parsed {
        Ok((_, matches)) => matches,
        Err(Stop::Text(text)) => panic!("{line}: {text}"),
        Err(Stop::Failed(error)) => panic!("{line}: {}", error.line()),
    }
}

fn list<'a>(matches: &'a ArgMatches, name: &str) -> Vec<&'a str> {
    matches.get_many::<String>(name).into_iter().flatten().map(String::as_str).collect()
}

#[test]
fn flags_end_at_the_image_and_short_ones_combine() {
    let matches = matched(Personality::Docker, "run -itd --rm -e A=1 -eB=2 image sh -c -e --rm -t");
    assert_eq!(list(&matches, "command_line"), ["image", "sh", "-c", "-e", "--rm", "-t"]);
    assert_eq!(list(&matches, "env"), ["A=1", "B=2"]);
    for flag in ["interactive", "tty", "detach", "rm"] {
        assert!(matches.get_flag(flag), "{flag}");
    }
    let matches = matched(Personality::Docker, "exec -it box ls -la --color");
    assert_eq!(list(&matches, "command_line"), ["box", "ls", "-la", "--color"]);
    let matches = matched(Personality::Ctr, "run --rm -t ref id sh -t");
    assert_eq!(list(&matches, "command_line"), ["ref", "id", "sh", "-t"]);
}

#[test]
fn switches_take_gos_truth_values_and_the_last_one_counts() {
    let rm = |line: &str| matched(Personality::Docker, line).get_flag("rm");
    assert!(rm("run --rm=true image") && rm("run --rm=1 image") && !rm("run --rm=false image"));
    assert!(!rm("run --rm --rm=F image"));
    let matches = matched(Personality::Docker, "run --sig-proxy=false --name a --name b image");
    assert!(!matches.get_flag("sig_proxy"));
    assert_eq!(matches.get_one::<String>("name").unwrap(), "b");
    assert!(matched(Personality::Docker, "run image").get_flag("sig_proxy"));
    assert!(stopped(Personality::Docker, "run --rm=perhaps image").contains("perhaps"));
}

#[test]
fn the_host_name_takes_h_and_help_stays_reachable() {
    let matches = matched(Personality::Docker, "run -h box image");
    assert_eq!(matches.get_one::<String>("hostname").unwrap(), "box");
    assert!(stopped(Personality::Docker, "run --help").starts_with("Make a container"));
    assert!(stopped(Personality::Docker, "ps -h").starts_with("List containers"));
    assert!(stopped(Personality::Docker, "help container run").contains("isopod container run"));
}

#[test]
fn nouns_and_shortcuts_are_the_same_command() {
    for (shortcut, noun) in
        [("ps -a", "container ls -a"), ("images -q", "image list -q"), ("rmi x", "image rm x")]
    {
        let (a, b) = (matched(Personality::Docker, shortcut), matched(Personality::Docker, noun));
        assert_eq!(
            format!("{:?}", a.ids().collect::<Vec<_>>()),
            format!("{:?}", b.ids().collect::<Vec<_>>())
        );
    }
    matched(Personality::Ctr, "i ls -q");
    matched(Personality::Ctr, "t rm -f x");
    matched(Personality::Ctr, "c del x");
}

#[test]
fn flags_before_the_command_belong_to_the_program() {
    let app = app(Personality::Docker);
    let line = "--root /r --state=/s -n k8s.io -D --hosts-dir a --hosts-dir b ps -n 3";
    let Ok((globals, rest)) = app.globals(&words(line)) else { panic!("no globals") };
    assert_eq!(globals.root.as_deref(), Some(std::path::Path::new("/r")));
    assert_eq!(globals.namespace.as_deref(), Some("k8s.io"));
    assert_eq!(globals.hosts_dirs.len(), 2);
    assert!(globals.debug);
    assert_eq!(rest, words("ps -n 3"));
}

#[test]
fn what_is_known_and_not_there_is_refused_by_name() {
    let text = stopped(Personality::Docker, "run --gpus all image");
    assert!(text.starts_with("`isopod run --gpus` is not supported:"), "{text}");
    let text = stopped(Personality::Docker, "rm -fl name");
    assert!(text.starts_with("`isopod rm -l` is not supported:"), "{text}");
    let text = stopped(Personality::Docker, "compose up");
    assert!(text.starts_with("`isopod compose` is not supported:"), "{text}");
    let text = stopped(Personality::Docker, "-H tcp://x ps");
    assert!(text.starts_with("`isopod -H` is not supported:"), "{text}");
    let text = stopped(Personality::Ctr, "--address /x c ls");
    assert!(text.starts_with("`ctr --address` is not supported:"), "{text}");
    let text = stopped(Personality::Ctr, "i mount x x");
    assert!(text.starts_with("`ctr images mount` is not supported:"), "{text}");
}

/// As with Go's flag packages: `--memory-swap -1` has a value, not a flag.
#[test]
fn a_flag_takes_the_next_word_whatever_it_begins_with() {
    let line = "run --memory-swap -1 --pids-limit -1 --cpus -1 --name -x busybox -y";
    let matches = matched(Personality::Docker, line);
    assert_eq!(list(&matches, "memory_swap"), ["-1"]);
    assert_eq!(list(&matches, "name"), ["-x"]);
    let matches = matched(Personality::Docker, "logs --tail -1 -f c");
    assert_eq!(list(&matches, "tail"), ["-1"]);
    assert!(matches.get_flag("follow"));
}

#[test]
fn what_is_missing_is_told_by_the_line_of_usage() {
    for (line, usage) in [
        ("exec c", "isopod exec [OPTIONS] CONTAINER COMMAND [ARG...]"),
        ("rm", "isopod rm [OPTIONS] CONTAINER [CONTAINER...]"),
        ("tag a", "isopod tag SOURCE"),
    ] {
        let told = stopped(Personality::Docker, line);
        assert!(told.contains("arguments are missing") && told.contains(usage), "{told}");
    }
}

#[test]
fn what_nobody_knows_is_named_without_guessing() {
    assert_eq!(
        stopped(Personality::Docker, "run --frobnicate image"),
        "unknown flag: --frobnicate"
    );
    assert_eq!(stopped(Personality::Docker, "frobnicate"), "\"frobnicate\" is not a command");
    assert_eq!(
        stopped(Personality::Docker, "container frobnicate"),
        "\"frobnicate\" is not a command"
    );
    assert_eq!(
        stopped(Personality::Docker, "container --frobnicate"),
        "unknown flag: --frobnicate"
    );
    assert_eq!(stopped(Personality::Docker, "pull a b"), "unexpected argument: b");
    let text = stopped(Personality::Docker, "run");
    assert!(text.contains("missing"), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn the_whole_tree_passes_claps_own_checks() {
    full(Personality::Docker, "isopod", commands::docker::TABLE).debug_assert();
    full(Personality::Ctr, "ctr", commands::ctr::TABLE).debug_assert();
    full(Personality::Crictl, "crictl", commands::crictl::TABLE).debug_assert();
    whole().debug_assert();
}

#[test]
fn help_lists_every_command_of_a_personality() {
    insta::assert_snapshot!("help_docker", stopped(Personality::Docker, "--help"));
    insta::assert_snapshot!("help_ctr", stopped(Personality::Ctr, "--help"));
    insta::assert_snapshot!("help_crictl", stopped(Personality::Crictl, "--help"));
    insta::assert_snapshot!("help_run", stopped(Personality::Docker, "run --help"));
    insta::assert_snapshot!("help_ctr_run", stopped(Personality::Ctr, "run --help"));
    insta::assert_snapshot!("help_ctr_tasks", stopped(Personality::Ctr, "tasks --help"));
}
