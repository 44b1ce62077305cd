//! `runc list`.

use std::fs;

use isopod_oci::record::State;

use super::{Failure, Globals, Verb};
use crate::commands::Status;
use crate::output::table::{RUNC, Table};

/// List the containers below --root
#[derive(Debug, clap::Args)]
pub struct List {
    /// table or json
    #[arg(short, long, default_value = "table")]
    format: String,
    /// Only ids
    #[arg(short, long)]
    quiet: bool,
    #[arg(trailing_var_arg = true, hide = true)]
    arguments: Vec<String>,
}

impl Verb for List {
    const USAGE: &'static str = "[options]";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        if !self.arguments.is_empty() {
            return Err(Failure::new("runc: \"list\" requires exactly 0 argument(s)"));
        }
        let states = states(globals)?;
        if self.quiet {
            for state in &states {
                globals.printer.line(&state.id)?;
            }
            return Ok(0);
        }
        match self.format.as_str() {
            "table" => {
                let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
                let mut table = Table::new(RUNC, &header);
                for state in states {
                    let bundle = state.bundle.display().to_string();
                    table.row([
                        state.id,
                        state.pid.to_string(),
                        state.status.to_string(),
                        bundle,
                        state.created,
                        state.owner,
                    ]);
                }
                globals.printer.data(table.render().as_bytes())?;
            }
            "json" => {
                // runc prints Go's nil where there are none.
                let text = match states.is_empty() {
                    true => "null".to_owned(),
                    false => serde_json::to_string(&states)?,
                };
                globals.printer.line(text)?;
            }
            _ => return Err(Failure::new("invalid format option")),
        }
        Ok(0)
    }
}

fn states(globals: &Globals) -> Result<Vec<State>, Failure> {
    let store = globals.store();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut states = Vec::new();
    for id in store.ids()? {
        match store.load(&id) {
            Ok(container) => {
                let mut state = container.state();
                state.owner = name(&users, container.record.owner);
                states.push(state);
            }
            // It is just being made, or has just gone.
            Err(isopod_oci::Error::NotFound) => {}
            Err(error) => globals.warn(&format!("load container {id}: {error}")),
        }
    }
    Ok(states)
}

/// The name of a user in the text of a passwd(5) file, else `#` and the number.
fn name(passwd: &str, uid: u32) -> String {
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("#{uid}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_without_a_name_is_a_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/:/bin/sh\n";
        assert_eq!(super::name(passwd, 33), "web");
        assert_eq!(super::name(passwd, 34), "#34");
    }
}
