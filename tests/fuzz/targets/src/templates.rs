//! Go templates: whatever is written, it is parsed or refused, and what is printed stays within reason.

use serde_json::json;

#[allow(dead_code, missing_docs, clippy::all, reason = "a part of the command line, checked there")]
#[path = "../../../../cli/src/output/template"]
mod template {
    #[path = "functions.rs"]
    pub mod functions;
    #[path = "lex.rs"]
    pub mod lex;
    #[path = "parse.rs"]
    pub mod parse;
    #[path = "run.rs"]
    pub mod run;
    #[path = "text.rs"]
    pub mod text;
}

/// A format as it is given, docker's escapes replaced.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A loop in a loop in a loop, or a text doubled again and again, takes its time wherever it is run.
    if text.matches("range").count() > 3
        || text.matches("{{").count() > 220
        || text.matches('$').count() > 12
    {
        return;
    }
    let Ok(nodes) = template::parse::parse(text) else { return };
    let value = json!({
        "ID": "0123456789ab", "Name": "redis", "Names": "/redis", "Size": 12, "Half": 0.5,
        "State": {"Running": true, "Pid": 7, "Health": null},
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "53/udp": null},
        "Args": ["a", "b c", "\u{e9}\u{1F980}"], "Labels": {"z": "1", "a": "2"}, "None": null,
    });
    for strict in [false, true] {
        let first = template::run::render(&nodes, &value, strict);
        let second = template::run::render(&nodes, &value, strict);
        assert_eq!(first, second, "another result the second time");
    }
}
