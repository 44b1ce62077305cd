//! `top`: a container's processes, with the options of ps(1).

use chrono::{Local, Utc};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{DOCKER_WIDE, Table};
use crate::output::views::processes::{Column, Machine};

/// Show the processes of a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id, and options of ps: -ef (the default), aux, or -o COLUMN[,COLUMN...]
    #[arg(value_name = "CONTAINER", required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER [ps OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let (name, options) = self.words.split_first().expect("clap requires a word");
        let columns = columns(options)?;
        let processes = context.containers()?.find(name)?.top()?;
        let machine = Machine::here(Utc::now(), *Local::now().offset());
        let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
        let mut table = Table::new(DOCKER_WIDE, &heads);
        for process in &processes {
            table.row(columns.iter().map(|column| (column.show)(process, &machine)));
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}

const FULL: &[&str] = &["euser:UID", "pid", "ppid", "c", "stime", "tname:TTY", "time", "cmd"];
const BSD: &[&str] = &[
    "user",
    "pid",
    "%cpu",
    "%mem",
    "vsz",
    "rss",
    "tname:TTY",
    "stat",
    "start_time",
    "bsdtime:TIME",
    "command",
];

/// What ps would show: every process is one of the container's, so that `-e` and its like say nothing.
fn columns(options: &[String]) -> Result<Vec<Column>, Error> {
    let error = |option: &str, reason: &str| Error::Value {
        what: "ps option",
        value: option.to_owned(),
        reason: reason.to_owned(),
    };
    let mut chosen = Vec::new();
    let mut is_bsd = false;
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let (letters, dash) = match word.strip_prefix('-') {
            Some(letters) => (letters, true),
            None => (word.as_str(), false),
        };
        for (index, letter) in letters.char_indices() {
            match letter {
                'e' | 'A' if dash => {}
                'f' if dash => {}
                'a' | 'x' if !dash => {}
                'u' if !dash => is_bsd = true,
                // As many columns as there are; nothing is ever cut here.
                'w' => {}
                'o' => {
                    let rest = &letters[index + 1..];
                    let list = match rest {
                        "" => words.next().ok_or_else(|| error(word, "it needs columns"))?,
                        rest => rest,
                    };
                    for name in list.split([',', ' ']).filter(|name| !name.is_empty()) {
                        let column = Column::named(name)
                            .ok_or_else(|| error(name, "it is no column that is known here"))?;
                        chosen.push(column);
                    }
                    break;
                }
                _ => {
                    return Err(error(word, "options are -e, -f, a, u, x, w and -o COLUMNS"));
                }
            }
        }
    }
    if chosen.is_empty() {
        let names = if is_bsd { BSD } else { FULL };
        chosen = names.iter().filter_map(|name| Column::named(name)).collect();
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(options: &[&str]) -> Result<String, Error> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let columns = columns(&options)?;
        Ok(columns.iter().map(|column| column.head).collect::<Vec<_>>().join(" "))
    }

    /// The heads are those that procps prints.
    #[test]
    fn options_choose_columns_as_ps_does() {
        for options in [&[][..], &["-ef"], &["-e", "-f"], &["-f"]] {
            assert_eq!(heads(options).unwrap(), "UID PID PPID C STIME TTY TIME CMD");
        }
        let bsd = "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND";
        assert_eq!(heads(&["aux"]).unwrap(), bsd);
        assert_eq!(heads(&["auxww"]).unwrap(), bsd);
        for options in [
            &["-o", "pid,comm"][..],
            &["-opid,comm"],
            &["-eo", "pid comm"],
            &["-o", "pid", "-o", "comm"],
        ] {
            assert_eq!(heads(options).unwrap(), "PID COMMAND", "{options:?}");
        }
        for wrong in [&["-o", "pid,colour"][..], &["-q", "1"], &["--forest"], &["-o"], &["-Z"]] {
            assert!(heads(wrong).is_err(), "{wrong:?}");
        }
    }
}
