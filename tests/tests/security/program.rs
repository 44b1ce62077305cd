//! Row 1: nothing inside a container reaches the programs that run it (CVE-2019-5736).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use isopod_tests::{TestContext, binary};
use serde_json::json;

use crate::image::{Layer, digest};
use crate::probe::{self, answers};

/// Content and mode of the binary and of every program that the instance installed.
fn programs(context: &TestContext) -> BTreeMap<PathBuf, (String, u32)> {
    let mut found = vec![binary::isopod()];
    let mut folders = vec![context.path("root")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if ["isopod-monitor", "init"].contains(&entry.file_name().to_str().unwrap()) {
                found.push(entry.path());
            }
        }
    }
    assert!(found.len() > 1, "the monitor is installed below the root");
    let look = |path: &Path| (digest(&fs::read(path).unwrap()), fs::metadata(path).unwrap().mode());
    found.into_iter().map(|path| (path.clone(), look(&path))).collect()
}

/// A folder whose `launch.json` keeps the monitor's program waiting for a writer.
fn trap() -> Layer {
    Layer::new()
        .folder("trap")
        .fifo("trap/launch.json")
        .file("attack", 0o755, "#!/proc/self/exe\n")
        .symlink("link", "/proc/self/exe")
}

/// Waits for a process in container `c` that is the monitor's program, and tries to change it.
#[track_caller]
fn overwrite(context: &TestContext, process: &str) -> BTreeMap<String, String> {
    let since = Instant::now();
    loop {
        let script = format!(
            "for p in {process}; do case $(cat $p/cmdline 2>/dev/null) in
            /proc/self/exe*|/link*) exec /bin/probe overwrite $p/exe;; esac; done"
        );
        let outcome = context.isopod(["exec", "c1", "sh", "-c", &script]);
        if !outcome.succeeds().stdout.is_empty() {
            return answers(&outcome);
        }
        assert!(since.elapsed() < Duration::from_secs(10), "no such process came");
    }
}

/// It is found, but on a mount that takes no writes.
fn assert_kept(answers: &BTreeMap<String, String>) {
    assert_eq!(answers["read"], "made", "{answers:?}");
    // Busy is what the kernel says first to an open without truncation.
    for (what, kept) in
        [("truncate", &["EROFS"][..]), ("chmod", &["EROFS"]), ("write", &["EROFS", "ETXTBSY"])]
    {
        assert!(kept.contains(&answers[what].as_str()), "{what}: {answers:?}");
    }
    assert!(["EROFS", "ETXTBSY"].contains(&answers["again"].as_str()), "{answers:?}");
}

#[test]
fn a_first_process_that_is_the_monitors_program_cannot_change_it() {
    let context = TestContext::without_registries();
    let image = probe::image()
        .layer(trap())
        .says("Entrypoint", json!(["/proc/self/exe"]))
        .says("Cmd", json!(["/trap"]));
    image.import(&context, "localhost/trap:latest");
    let run = ["run", "-d", "--name", "c1", "--network", "none", "localhost/trap:latest"];
    context.isopod(run).succeeds();
    let before = programs(&context);
    assert_kept(&overwrite(&context, "/proc/1"));
    assert_eq!(programs(&context), before);
}

#[test]
fn an_exec_of_the_monitors_program_cannot_change_it() {
    let context = TestContext::without_registries();
    probe::image().layer(trap()).import(&context, "localhost/trap:latest");
    let run = ["run", "-d", "--name", "c1", "--network", "none", "localhost/trap:latest"];
    context.isopod(run.into_iter().chain(["sleep", "600"])).succeeds();
    let before = programs(&context);
    for program in ["/proc/self/exe", "/link"] {
        context.isopod(["exec", "-d", "c1", program, "/trap"]).succeeds();
        assert_kept(&overwrite(&context, "/proc/[0-9]*"));
        context.isopod(["exec", "c1", "sh", "-c", "kill -9 $(cat /proc/[0-9]*/cmdline >/dev/null; ps | grep '[/]trap' | sed 's/^ *//' | cut -d' ' -f1)"]);
    }
    // As an interpreter it is called with what makes no sense to it.
    let refused = context.isopod(["exec", "c1", "/attack"]);
    assert_ne!(refused.code, 0, "{refused}");
    assert_eq!(programs(&context), before);
}

#[test]
fn an_entrypoint_that_is_the_monitors_program_is_only_a_failed_program() {
    let context = TestContext::without_registries();
    let image = probe::image().layer(trap()).says("Entrypoint", json!(["/attack"]));
    image.import(&context, "localhost/attack:latest");
    let run = ["run", "--rm", "--network", "none", "localhost/attack:latest"];
    let first = context.isopod(run);
    assert_ne!(first.code, 0, "{first}");
    let before = programs(&context);
    let second = context.isopod(run);
    assert_eq!(second.code, first.code, "{second}");
    assert_eq!(programs(&context), before);
}

/// `--init` shows a file that all containers have. Who may mount could make a bind mount writable again, and what
/// a program that runs is protected from is writing alone.
#[test]
fn the_init_of_all_containers_cannot_be_changed_by_a_privileged_one() {
    let context = TestContext::with(["busybox"]);
    let run = |options: &[&str], script: &str| {
        let head = ["run", "--rm", "--network", "none", "--init"];
        let command = ["busybox", "sh", "-c", script];
        context.isopod(head.iter().chain(options).chain(&command))
    };
    run(&[], "true").succeeds();
    let before = programs(&context);
    assert!(before.keys().any(|path| path.ends_with("init")), "{before:?}");
    let attack =
        "mount -o remount,rw,bind /sbin/docker-init; mount -o remount,rw /sbin/docker-init;
        for change in 'chmod 777' 'chown 1' 'touch -d 1999-01-01' 'truncate -s 0'; do
            $change /sbin/docker-init 2>/dev/null && echo $change
        done; ls -l /proc/1/exe >/dev/null && echo done";
    for options in
        [&["--privileged"][..], &["--cap-add", "sys_admin", "--security-opt", "seccomp=unconfined"]]
    {
        run(options, attack).prints("done\n");
    }
    assert_eq!(programs(&context), before);
}

/// The layers of an image that is mounted are the store's, also where there is but one.
#[test]
fn the_layer_of_a_mounted_image_cannot_be_changed_by_a_privileged_container() {
    let context = TestContext::with(["busybox"]);
    let script = "mount -o remount,rw,bind /other; mount -o remount,rw /other;
        touch /other/bin/new 2>/dev/null && echo touched; ls -d /other/bin";
    let mount = "type=image,source=busybox,destination=/other";
    let words = ["run", "--rm", "--network", "none", "--privileged", "--mount", mount, "busybox"];
    context.isopod(words.into_iter().chain(["sh", "-c", script])).prints("/other/bin\n");
    let again = ["run", "--rm", "--network", "none", "busybox", "ls", "/bin/new"];
    context.isopod(again).fails_with(1);
}
