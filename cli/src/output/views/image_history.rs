//! Rows of `history`: docker's fields and headers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value as Json, json};

use super::containers::{ellipsis, short_id};
use crate::output::table::printable;
use crate::output::{time, units};

/// docker's default for `history`.
pub const TABLE: &str = "table {{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
/// A header for each field.
pub const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];
/// The id of a step whose image has no name here: all but the last.
const MISSING: &str = "<missing>";
/// How much of a command is shown.
const COMMAND: usize = 45;

/// A step of an image's history.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The image's id, for its last step.
    pub id: Option<String>,
    /// When, where it says so.
    pub created: Option<DateTime<Utc>>,
    /// By which command.
    pub created_by: String,
    /// Bytes that it added.
    pub size: u64,
    /// A note.
    pub comment: String,
}

/// The fields of a row. `human` shows ages and rounded sizes, for which docker has a switch.
#[must_use]
pub fn fields(step: &Step, truncate: bool, human: bool, now: DateTime<Utc>) -> Json {
    let at = step.created.map(|created| created.to_rfc3339_opts(SecondsFormat::Secs, true));
    let since = match human {
        true => step.created.map(|created| time::ago(created, now)),
        false => at.clone(),
    };
    // Command and comment are the image's words; a script of several lines is one here.
    let command = printable(&step.created_by.replace(['\t', '\n'], " "));
    let id = match &step.id {
        Some(id) if truncate => short_id(id),
        Some(id) => id,
        None => MISSING,
    };
    json!({
        "Comment": printable(&step.comment),
        "CreatedAt": at.unwrap_or_default(),
        "CreatedBy": if truncate { ellipsis(&command, COMMAND) } else { command },
        "CreatedSince": since.unwrap_or_default(),
        "ID": id,
        "Size": if human { units::decimal(step.size) } else { step.size.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::template;

    fn rows(truncate: bool, human: bool) -> Vec<Json> {
        let newest = Step {
            id: Some(format!("sha256:{}", "77af4d6b9913".repeat(5))),
            created: DateTime::from_timestamp(86400, 0),
            created_by: "/bin/sh -c #(nop)\tCMD [\"redis-server\"] and more than fits".into(),
            size: 0,
            comment: "buildkit.dockerfile.v0".into(),
        };
        let oldest = Step { size: 1_234_567, created_by: "COPY / /".into(), ..Step::default() };
        let now = DateTime::from_timestamp(3 * 86400, 0).unwrap();
        [newest, oldest].iter().map(|step| fields(step, truncate, human, now)).collect()
    }

    /// The columns and the shortening of docker's documentation of `image history`.
    #[test]
    fn history_prints_dockers_columns() {
        insta::assert_snapshot!(template::list(None, TABLE, HEADERS, &rows(true, true)).unwrap(), @r#"
        IMAGE          CREATED      CREATED BY                                      SIZE      COMMENT
        77af4d6b9913   2 days ago   /bin/sh -c #(nop) CMD ["redis-server"] and m…   0B        buildkit.dockerfile.v0
        <missing>      N/A          COPY / /                                        1.23MB    
        "#);
    }

    /// Row 11 of security.md: an image can't move the terminal's cursor, nor forge a line.
    #[test]
    fn an_images_words_are_no_orders_for_a_terminal() {
        let step = Step {
            created_by: "RUN a\nb\u{1b}]0;c\u{7}".into(),
            comment: "d\n\u{1b}[2J".into(),
            ..Step::default()
        };
        let row = fields(&step, false, true, DateTime::UNIX_EPOCH);
        assert_eq!(row["CreatedBy"], "RUN a b?]0;c?");
        assert_eq!(row["Comment"], "d??[2J");
    }

    #[test]
    fn without_human_times_and_sizes_are_exact() {
        let format = Some("{{.CreatedSince}} {{.Size}} {{.CreatedBy}}");
        let text = template::list(format, "", HEADERS, &rows(false, false)).unwrap();
        assert!(text.starts_with("1970-01-02T00:00:00Z 0 /bin/sh -c #(nop) CMD"), "{text}");
        assert!(text.ends_with("1234567 COPY / /\n"), "{text}");
        assert!(text.contains("and more than fits"), "{text}");
    }
}
