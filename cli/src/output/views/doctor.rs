//! What `doctor` prints.

use isopod_runtime::doctor::{Checkup, Verdict};
use serde_json::{Value as Json, json};

use crate::output::table::{DOCKER, Table, printable};

/// A row a thing, and below the table what to do, a line each.
#[must_use]
pub fn table(checkups: &[Checkup]) -> String {
    let mut table = Table::new(DOCKER, &["STATE", "SUBJECT", "NAME", "FOUND", "FOR"]);
    for checkup in checkups {
        table.row([
            checkup.verdict.as_str().to_owned(),
            checkup.subject.to_owned(),
            printable(&checkup.name),
            printable(&checkup.detail),
            checkup.feature.to_owned(),
        ]);
    }
    let mut text = table.render();
    let worse = checkups.iter().filter(|checkup| checkup.verdict != Verdict::Ok);
    for (nth, checkup) in worse.enumerate() {
        if nth == 0 {
            text.push('\n');
        }
        let Checkup { name, verdict, advice, .. } = checkup;
        text.push_str(&printable(&format!("{}: {name}: {advice}", verdict.as_str())));
        text.push('\n');
    }
    text
}

/// The same for scripts.
#[must_use]
pub fn json(checkups: &[Checkup], is_usable: bool) -> Json {
    let row = |checkup: &Checkup| {
        json!({
            "State": checkup.verdict.as_str(),
            "Subject": checkup.subject,
            "Name": checkup.name,
            "Found": checkup.detail,
            "For": checkup.feature,
            "Advice": checkup.advice,
            "Needed": checkup.is_needed,
        })
    };
    json!({ "Usable": is_usable, "Checkups": checkups.iter().map(row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_to_do() {
        let missing = Checkup::ok("storage", "overlayfs", "can't be mounted")
            .of("every container")
            .needed()
            .but(Verdict::Missing, "modprobe overlay");
        let fine = Checkup::ok("kernel", "version", "Linux 6.1").of("everything");
        assert_eq!(
            table(&[fine, missing]),
            "STATE     SUBJECT   NAME        FOUND              FOR\n\
             ok        kernel    version     Linux 6.1          everything\n\
             missing   storage   overlayfs   can't be mounted   every container\n\
             \n\
             missing: overlayfs: modprobe overlay\n"
        );
    }
}
