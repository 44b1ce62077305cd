//! `runc ps`.

use std::process::Command;

use super::{Failure, Globals, Verb};
use crate::commands::Status;

/// Show the processes of a container
#[derive(Debug, clap::Args)]
pub struct Ps {
    /// table or json
    #[arg(short, long, default_value = "table")]
    format: String,
    /// The container, and arguments for ps(1) (-ef if none are given)
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Ps {
    const USAGE: &'static str = "[options] <container-id> [ps options]";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let Some((id, options)) = self.arguments.split_first() else {
            return Err(Failure::new("runc: \"ps\" requires a minimum of 1 argument"));
        };
        let pids = globals.store().load(id)?.processes()?;
        match self.format.as_str() {
            "json" => {
                // runc prints Go's nil where there are none.
                let text = match pids.is_empty() {
                    true => "null".to_owned(),
                    false => serde_json::to_string(&pids)?,
                };
                globals.printer.line(text)?;
                return Ok(0);
            }
            "table" => {}
            _ => return Err(Failure::new("invalid format option")),
        }
        let default = ["-ef".to_owned()];
        let options = if options.is_empty() { &default } else { options };
        let output = Command::new("ps").args(options).output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            return Err(Failure::new(format!("ps: {}: {words}", output.status)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        globals.printer.data(chosen(&text, &pids)?.as_bytes())?;
        Ok(0)
    }
}

/// The header and the lines of `pids`.
fn chosen(text: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let column = header.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| Failure::new("couldn't find PID field in ps output"))?;
    let mut all = format!("{header}\n");
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            all.push_str(line);
            all.push('\n');
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_the_column_that_is_called_pid() {
        let text = "UID   PID CMD\nroot    7 sh 8\nroot    8 sh\n";
        assert_eq!(chosen(text, &[8]).unwrap(), "UID   PID CMD\nroot    8 sh\n");
        assert!(chosen("CMD\nsh\n", &[8]).is_err());
    }
}
