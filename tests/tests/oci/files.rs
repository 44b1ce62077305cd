//! What a runtime's caller hands over beside the standard streams (`--preserve-fds`).

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::bundle::{Bundle, said};
use crate::facts::Facts;
use crate::runtime::Runtime;

const LIST: &str =
    "for fd in /proc/self/fd/*; do echo ${fd##*/} $(readlink $fd); done | grep -v ' /proc/'";

/// `run` with descriptors 3 and 4 open on files of one and two bytes.
fn run_with_files(bundle: &Bundle, arguments: &[&str]) -> Output {
    fs::write(bundle.path("three"), "3").unwrap();
    fs::write(bundle.path("four"), "44").unwrap();
    bundle.write();
    let mut inner = bundle.command();
    inner.arg("run").args(arguments).args(["--bundle"]).arg(bundle.path(".")).arg(&bundle.id);
    let mut command = Command::new("sh");
    command.args(["-c", "three=$1 four=$2; shift 2; exec \"$@\" 3<\"$three\" 4<\"$four\"", "sh"]);
    command.arg(bundle.path("three")).arg(bundle.path("four"));
    command.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null()).output().unwrap()
}

pub fn descriptors_kept(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "cat <&3; cat <&4");
    facts.is("both", said(&run_with_files(&bundle, &["--preserve-fds", "2"])), "344");
    let bundle = Bundle::new(runtime, "cat <&3; cat <&4 2>/dev/null || echo closed");
    facts.is("one", said(&run_with_files(&bundle, &["--preserve-fds", "1"])), "3closed");
}

pub fn descriptors_closed(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, LIST);
    let printed = said(&run_with_files(&bundle, &[]));
    // The shell's own descriptor of the folder it lists is gone before it can be looked at.
    let printed: Vec<&str> = printed.lines().filter(|line| line.contains(" /")).collect();
    let ours = printed.iter().filter(|line| line.ends_with("/three") || line.ends_with("/four"));
    facts.is("the caller's", ours.count(), 0);
    let beyond = printed.iter().filter_map(|l| l.split(' ').next()?.parse::<u32>().ok());
    facts.is("beyond the standard streams", beyond.filter(|fd| (3..10).contains(fd)).count(), 0);
}
