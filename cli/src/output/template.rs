//! `--format`: Go templates with docker's functions over JSON-shaped values.
//!
//! A format is `json`, `table <template>` or a template; `\t` and `\n` written with a
//! backslash mean tab and line feed. The language is that of Go's `text/template` but for
//! definitions of templates: pipelines, variables, `if`, `with`, `range`, trimming, and its
//! functions with docker's (`json`, `join`, `split`, `lower`, `upper`, `title`, `pad`, `truncate`).

mod functions;
mod lex;
mod parse;
mod run;
mod text;

use serde_json::Value as Json;

use super::table::{DOCKER, Table};

/// A format that can't be read or applied.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The template does not follow the grammar.
    #[error("template {text:?} can't be parsed: {reason}")]
    Parse {
        /// The template.
        text: String,
        /// What the parser said.
        reason: String,
    },
    /// It names what is not there, or calls a function wrongly.
    #[error("template {text:?} can't be applied: {reason}")]
    Execute {
        /// The template.
        text: String,
        /// What went wrong.
        reason: String,
    },
}

/// A parsed template.
#[derive(Debug)]
pub struct Format {
    text: String,
    nodes: Vec<parse::Node>,
}

impl Format {
    /// Parses `text`, docker's escapes included.
    ///
    /// # Errors
    /// The grammar.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        match parse::parse(&text) {
            Ok(nodes) => Ok(Self { text, nodes }),
            Err(reason) => Err(TemplateError::Parse { text, reason }),
        }
    }

    /// Applies it to one value.
    ///
    /// # Errors
    /// A field that the value lacks, a function that fails.
    pub fn render(&self, value: &Json) -> Result<String, TemplateError> {
        self.apply(value, false)
    }

    /// The same, but that every key has to be there: crictl's templates.
    ///
    /// # Errors
    /// As [`Format::render`].
    pub fn render_strictly(&self, value: &Json) -> Result<String, TemplateError> {
        self.apply(value, true)
    }

    fn apply(&self, value: &Json, strict: bool) -> Result<String, TemplateError> {
        run::render(&self.nodes, value, strict)
            .map_err(|reason| TemplateError::Execute { text: self.text.clone(), reason })
    }
}

/// A word that nerdctl takes for a format of lists and docker for a template.
const WIDE: &str = "wide";

/// What a list without wider columns makes of nerdctl's `wide`: its table, unless `program` is docker's own name,
/// for which every word is a template.
#[must_use]
pub fn narrowed<'f>(format: Option<&'f str>, program: &str) -> Option<&'f str> {
    format.filter(|_| !is_wide(format, program))
}

/// Whether `format` asks for nerdctl's wide table.
#[must_use]
pub fn is_wide(format: Option<&str>, program: &str) -> bool {
    format == Some(WIDE) && program != "docker"
}

/// A list in the format a user asked for; `default` is the table's template.
///
/// `headers` holds a header for each field, as docker's formatter does for `table`.
///
/// # Errors
/// See [`Format`].
pub fn list(
    format: Option<&str>,
    default: &str,
    headers: &[(&str, &str)],
    rows: &[Json],
) -> Result<String, TemplateError> {
    let format = match format {
        None | Some("" | "table") => default,
        Some("json") => "{{json .}}",
        Some(format) => format,
    };
    match format.strip_prefix("table ") {
        Some(template) => as_table(template.trim(), headers, rows),
        None => as_lines(format, rows),
    }
}

fn as_lines(template: &str, rows: &[Json]) -> Result<String, TemplateError> {
    let format = Format::parse(template)?;
    rows.iter().map(|row| Ok(format.render(row)? + "\n")).collect()
}

fn as_table(
    template: &str,
    headers: &[(&str, &str)],
    rows: &[Json],
) -> Result<String, TemplateError> {
    let format = Format::parse(template)?;
    let header =
        headers.iter().map(|(field, text)| ((*field).to_owned(), Json::from(*text))).collect();
    let mut table = Table::bare(DOCKER);
    table.row(format.render(&Json::Object(header))?.split('\t'));
    for row in rows {
        table.row(format.render(row)?.split('\t'));
    }
    Ok(table.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str, value: &Json) -> String {
        Format::parse(template).unwrap().render(value).unwrap()
    }

    /// What each function prints is from docker's page on formatting.
    #[test]
    fn dockers_functions_are_there() {
        let value = json!({"Name": "redis", "Args": ["a", "b"], "Labels": {"z": "1", "a": "2"},
            "Size": 12, "Up": true});
        assert_eq!(rendered("{{json .Args}}", &value), r#"["a","b"]"#);
        assert_eq!(rendered("{{json .Labels}}", &value), r#"{"a":"2","z":"1"}"#);
        assert_eq!(rendered(r#"{{join .Args " , "}}"#, &value), "a , b");
        assert_eq!(rendered(r#"{{split .Name "d"}}"#, &value).matches("re").count(), 1);
        assert_eq!(rendered("{{lower \"ABC\"}}{{upper .Name}}", &value), "abcREDIS");
        assert_eq!(rendered("{{title \"hello wide world\"}}", &value), "Hello Wide World");
        assert_eq!(rendered("{{println .Name}}", &value), "redis\n");
        assert_eq!(rendered(r"{{.Name}}\t{{.Size}}", &value), "redis\t12");
        assert_eq!(rendered("{{pad .Name 1 2}}|", &value), " redis  |");
        assert_eq!(rendered("{{truncate .Name 3}}", &value), "red");
        assert_eq!(rendered("{{if .Up}}yes{{else}}no{{end}}", &value), "yes");
        assert_eq!(rendered("{{range .Args}}<{{.}}>{{end}}", &value), "<a><b>");
        assert_eq!(rendered(r#"{{index .Labels "z"}}"#, &value), "1");
        assert_eq!(rendered("{{.Labels.a}}", &value), "2");
    }

    /// Go writes structures in the order of their fields and maps by their keys, which views keep sorted.
    #[test]
    fn json_has_the_order_of_the_view() {
        let value =
            json!({"Name": "redis", "Id": 1, "State": {"Running": true, "Pid": 7}, "_m": 0});
        assert_eq!(
            rendered("{{json .}}", &value),
            r#"{"Name":"redis","Id":1,"State":{"Running":true,"Pid":7}}"#
        );
        assert_eq!(rendered("{{json .State}}", &value), r#"{"Running":true,"Pid":7}"#);
        assert_eq!(
            rendered("{{range .L}}{{json .}}{{end}}", &json!({"L": [{"B": 1, "A": 2}]})),
            r#"{"B":1,"A":2}"#
        );
    }

    /// What docker 20.10 printed for these is in `tests/references/docker-20.10`; the rest is Go's page on text/template.
    #[test]
    fn values_are_printed_as_go_does() {
        let value = json!({"Cmd": ["sh", "-c", "a b"], "Labels": {"z": "1", "a": "2"}, "None": null, "Half": 0.5,
            "State": {"Running": true, "Pid": 7}});
        assert_eq!(rendered("{{.Cmd}}", &value), "[sh -c a b]");
        assert_eq!(rendered("{{.Labels}}", &value), "map[a:2 z:1]");
        assert_eq!(rendered("{{.State}} {{.Half}}", &value), "{true 7} 0.5");
        assert_eq!(rendered("{{.None}}", &value), "[]");
        assert_eq!(rendered("{{.Labels.none}}", &value), "<no value>");
        assert_eq!(rendered(r#"{{index .Labels "none"}}|{{index .None "a"}}"#, &value), "|");
        assert_eq!(rendered("{{len .Cmd}} {{len .Labels}} {{len .None}}", &value), "3 2 0");
        assert_eq!(rendered("{{(index .Cmd 2)}}", &value), "a b");
        assert_eq!(
            rendered(r#"{{printf "%-4s|%3d|%q|%.1f|%05d|%v" "a" 7 "q" .Half 42 .Cmd}}"#, &value),
            "a   |  7|\"q\"|0.5|00042|[sh -c a b]"
        );
        assert_eq!(rendered(r#"{{print 1 2 "x" 3}}"#, &value), "1 2x3");
    }

    #[test]
    fn ranges_go_over_lists_and_maps_in_order() {
        let value = json!({"Ports": {"80/tcp": [{"HostPort": "8080"}], "53/udp": null}, "None": null, "L": [1, 2]});
        let template = "{{range $port, $to := .Ports}}{{$port}}={{json $to}} {{end}}";
        assert_eq!(rendered(template, &value), r#"53/udp=null 80/tcp=[{"HostPort":"8080"}] "#);
        let template = "{{range .Ports}}{{range .}}{{.HostPort}}{{else}}none {{end}}{{end}}";
        assert_eq!(rendered(template, &value), "none 8080");
        assert_eq!(
            rendered("{{range $i, $n := .L}}{{if $i}}, {{end}}{{$n}}{{end}}", &value),
            "1, 2"
        );
        assert_eq!(rendered("{{range .None}}x{{else}}y{{end}}", &value), "y");
        let template = r#"{{(index (index .Ports "80/tcp") 0).HostPort}}"#;
        assert_eq!(rendered(template, &value), "8080");
    }

    /// Neither the stack nor memory is a template's to use up.
    #[test]
    fn what_is_too_deep_or_too_wide_is_an_error() {
        let value = json!({"Name": "redis", "Half": 0.5});
        let failed = |template: &str| {
            let parsed = Format::parse(template);
            parsed.and_then(|format| format.render(&value)).unwrap_err().to_string()
        };
        let parentheses =
            |depth| format!("{{{{{}.Name{}}}}}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(rendered(&parentheses(100), &value), "redis");
        assert!(failed(&parentheses(100_000)).contains("nested"));
        let blocks = |depth| "{{if .Name}}".repeat(depth) + "x" + &"{{end}}".repeat(depth);
        assert_eq!(rendered(&blocks(100), &value), "x");
        assert!(failed(&blocks(100_000)).contains("nested"));
        assert_eq!(rendered(r#"{{printf "%1000d" 1}}"#, &value).len(), 1000);
        assert!(failed(r#"{{printf "%9999999999d" 1}}"#).contains("too large"));
        assert!(failed(r#"{{printf "%.70000f" .Half}}"#).contains("too many"));
        assert!(failed("{{pad .Name 99999999999 1}}").contains("too much"));
    }

    #[test]
    fn conditions_variables_and_trimming_are_gos() {
        let value = json!({"Name": "redis", "State": {"Running": true}, "N": 3});
        assert_eq!(rendered("{{if eq .N 1}}a{{else if gt .N 2}}b{{else}}c{{end}}", &value), "b");
        assert_eq!(rendered("{{with .State}}{{.Running}} {{$.Name}}{{end}}", &value), "true redis");
        assert_eq!(rendered("{{$x := .N}}{{if true}}{{$x = 4}}{{end}}{{$x}}", &value), "4");
        assert_eq!(rendered("a {{- /* nothing */ -}} b {{- .N -}} c", &value), "ab3c");
        assert_eq!(rendered(r#"{{.Name | printf "%s-%s" "x" | upper}}"#, &value), "X-REDIS");
        assert_eq!(rendered("{{`raw`}}{{\"q\\\"\"}}", &value), "rawq\"");
        assert_eq!(
            rendered(r#"{{eq .Name "a" "redis"}} {{ne .N 3}} {{not .N}}"#, &value),
            "true false false"
        );
        // One that has no health check has nothing there, and what follows is not looked at.
        let template = r#"{{if and .State.Health (eq .State.Health.Status "healthy")}}x{{end}}{{or "" .Name}}"#;
        assert_eq!(rendered(template, &value), "redis");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let wrong = [
            "{{",
            "{{.Name",
            "{{end}}",
            "{{if .A}}",
            "{{range .A}}{{else if .B}}{{end}}",
            "{{nosuch .A}}",
            "{{.A | }}",
            "{{(.A}}",
            "{{\"a}}",
            "{{if}}{{end}}",
            "{{/* a",
            "{{.A }",
            "{{template \"x\"}}",
            "{{$a, $b, $c := .A}}",
        ];
        for text in wrong {
            assert!(Format::parse(text).is_err(), "{text}");
        }
        let value = json!({"Name": "redis", "N": 3, "None": null});
        for text in [
            "{{.Name 1}}",
            "{{.Name.X}}",
            "{{.None.X}}",
            "{{$x}}",
            "{{range .N}}{{end}}",
            "{{lt .N .Name}}",
            "{{index .Name}}{{index .N 1}}",
            "{{len .N}}",
            r#"{{printf "%d" .Name}}"#,
            "{{json}}",
            "{{eq .N}}",
        ] {
            assert!(Format::parse(text).unwrap().render(&value).is_err(), "{text}");
        }
    }

    #[test]
    fn a_label_is_asked_for_by_its_name() {
        let value = json!({"Labels": "a=b", "_labels": {"a": "b"}});
        assert_eq!(rendered(r#"{{.Label "a"}}|{{.Label "c"}}"#, &value), "b|");
        assert!(Format::parse("{{._labels}}").unwrap().render(&value).is_err());
    }

    #[test]
    fn a_field_that_is_not_there_is_an_error() {
        let error = Format::parse("{{.Nope}}").unwrap().render(&json!({"Name": 1})).unwrap_err();
        assert!(error.to_string().contains("Nope"), "{error}");
        assert!(Format::parse("{{.Name").is_err());
    }

    #[test]
    fn a_table_format_prints_headers_and_aligned_rows() {
        let rows = [json!({"Names": "redis", "Status": "Up 3 seconds"})];
        let headers = [("Names", "NAMES"), ("Status", "STATUS")];
        let text = list(Some(r"table {{.Names}}\t{{.Status}}"), "", &headers, &rows).unwrap();
        assert_eq!(text, "NAMES     STATUS\nredis     Up 3 seconds\n");
        let text = list(Some("{{.Names}}"), "", &headers, &rows).unwrap();
        assert_eq!(text, "redis\n");
        let text = list(Some("json"), "", &headers, &rows).unwrap();
        assert_eq!(text, "{\"Names\":\"redis\",\"Status\":\"Up 3 seconds\"}\n");
    }
}
