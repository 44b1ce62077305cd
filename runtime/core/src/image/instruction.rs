//! Instructions of a Dockerfile that change an image's config, as `commit` and `import` take them
//! (`--change`).
//!
//! The forms are docker's: words with quotes, `$NAME` from the environment so far, lists as JSON.

use isopod_image::config::ContainerConfig;
use isopod_spec::signal;

use super::healthcheck;
use crate::{Error, Result};

/// What wraps a command that is written as one string.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// The most ports that one range may expose.
const MAX_PORTS: u16 = 4096;

/// Applies `instructions`, each one line, in this order.
///
/// # Errors
/// [`Error::Invalid`] names the instruction that can't be applied.
pub fn apply(config: &mut ContainerConfig, instructions: &[String]) -> Result<()> {
    let mut is_cmd_set = false;
    for line in instructions {
        let line = line.trim();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let instruction = Instruction { line, rest };
        if rest.is_empty() {
            return Err(instruction.wrong("it has no argument"));
        }
        match name.to_ascii_uppercase().as_str() {
            "CMD" => {
                config.cmd = instruction.command(config);
                is_cmd_set = true;
            }
            "ENTRYPOINT" => {
                config.entrypoint = instruction.command(config);
                // The command so far was made for another entry point.
                if !is_cmd_set {
                    config.cmd.clear();
                }
            }
            "ENV" => {
                for (key, value) in instruction.pairs(config)? {
                    set_env(&mut config.env, &key, &value);
                }
            }
            "LABEL" => config.labels.extend(instruction.pairs(config)?),
            "EXPOSE" => {
                for word in instruction.words(config)? {
                    config.exposed_ports.extend(instruction.ports(&word)?);
                }
            }
            "VOLUME" => config.volumes.extend(instruction.list(config)?),
            "USER" => config.user = instruction.one(config)?,
            "WORKDIR" => {
                let folder = instruction.one(config)?;
                config.working_dir = joined(&config.working_dir, &folder);
            }
            "STOPSIGNAL" => {
                let signal = instruction.one(config)?;
                signal::parse(&signal).map_err(|error| instruction.wrong(error))?;
                config.stop_signal = signal;
            }
            "HEALTHCHECK" => {
                let check = healthcheck::parse(rest).map_err(|reason| instruction.wrong(reason))?;
                config.healthcheck = Some(check);
            }
            "ONBUILD" => config.on_build.push(rest.to_owned()),
            _ => {
                return Err(instruction.wrong(
                    "what can be changed are CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, \
                     ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR",
                ));
            }
        }
    }
    Ok(())
}

/// Replaces or adds a variable.
fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let line = format!("{key}={value}");
    match env.iter_mut().find(|old| old.split('=').next() == Some(key)) {
        Some(old) => *old = line,
        None => env.push(line),
    }
}

/// `folder` as seen from `from`.
fn joined(from: &str, folder: &str) -> String {
    let whole = match folder.starts_with('/') {
        true => folder.to_owned(),
        false => format!("{from}/{folder}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[derive(Clone, Copy)]
struct Instruction<'a> {
    line: &'a str,
    rest: &'a str,
}

impl Instruction<'_> {
    fn wrong(self, reason: impl std::fmt::Display) -> Error {
        Error::Invalid(format!("--change {:?} can't be applied: {reason}", self.line))
    }

    /// A list of words in JSON.
    fn json(self) -> Option<Vec<String>> {
        self.rest.starts_with('[').then(|| serde_json::from_str(self.rest).ok()).flatten()
    }

    /// A command as words, or as a line for the shell.
    fn command(self, config: &ContainerConfig) -> Vec<String> {
        if let Some(words) = self.json() {
            return words;
        }
        let shell = match config.shell.is_empty() {
            true => SHELL.map(str::to_owned).to_vec(),
            false => config.shell.clone(),
        };
        shell.into_iter().chain([self.rest.to_owned()]).collect()
    }

    fn list(self, config: &ContainerConfig) -> Result<Vec<String>> {
        self.json().map_or_else(|| self.words(config), Ok)
    }

    fn one(self, config: &ContainerConfig) -> Result<String> {
        let mut words = self.words(config)?;
        match (words.pop(), words.is_empty()) {
            (Some(word), true) if !word.is_empty() => Ok(word),
            _ => Err(self.wrong("it takes one argument")),
        }
    }

    /// `key=value …`, or the old `key value`.
    fn pairs(self, config: &ContainerConfig) -> Result<Vec<(String, String)>> {
        let words = self.words(config)?;
        let is_old = words.first().is_some_and(|first| !first.contains('='));
        if is_old {
            let (key, _) = self.rest.split_once(char::is_whitespace).unwrap_or((self.rest, ""));
            if words.len() < 2 {
                return Err(self.wrong("it has no ="));
            }
            return Ok(vec![(key.to_owned(), words[1..].join(" "))]);
        }
        words
            .iter()
            .map(|word| match word.split_once('=') {
                Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
                _ => Err(self.wrong(format!("{word:?} is no key=value"))),
            })
            .collect()
    }

    /// `port[-port][/protocol]` as single ports.
    fn ports(self, word: &str) -> Result<Vec<String>> {
        let bad = || self.wrong(format!("{word:?} is no port[-port][/tcp|udp|sctp]"));
        let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(bad());
        }
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (Some(first), Some(last)) = (number(first), number(last)) else { return Err(bad()) };
        if first > last || last - first >= MAX_PORTS {
            return Err(bad());
        }
        Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
    }

    /// Words as a shell's: quotes, backslashes, variables.
    fn words(self, config: &ContainerConfig) -> Result<Vec<String>> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut characters = self.rest.chars().peekable();
        while let Some(c) = characters.next() {
            match (quote, c) {
                (None, c) if c.is_whitespace() => words.extend(word.take()),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (Some(open), c) if c == open => quote = None,
                (None | Some('"'), '\\') => {
                    let next = characters.next().ok_or_else(|| self.wrong("it ends in \\"))?;
                    word.get_or_insert_default().push(next);
                }
                (None | Some('"'), '$') => {
                    let value = self.variable(&mut characters, config)?;
                    word.get_or_insert_default().push_str(&value);
                }
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        if quote.is_some() {
            return Err(self.wrong("a quote is not closed"));
        }
        words.extend(word);
        Ok(words)
    }

    /// The value of the name after a `$`; empty where there is none.
    fn variable(
        self,
        characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
        config: &ContainerConfig,
    ) -> Result<String> {
        let braced = characters.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(c) = characters.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if braced && characters.next_if_eq(&'}').is_none() {
            return Err(self.wrong("only ${NAME} is understood of what ${ may begin"));
        }
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        let value = config.env.iter().find_map(|line| {
            line.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value)
        });
        Ok(value.unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(lines: &[&str]) -> Result<ContainerConfig> {
        let mut config = ContainerConfig {
            env: vec!["PATH=/bin".into(), "HOME=/root".into()],
            cmd: vec!["old".into()],
            working_dir: "/srv".into(),
            ..ContainerConfig::default()
        };
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        apply(&mut config, &lines).map(|()| config)
    }

    /// The examples of docker's reference for `commit --change` and the Dockerfile.
    #[test]
    fn instructions_mean_what_the_dockerfile_reference_says() {
        let config = changed(&[
            r#"CMD ["apachectl", "-DFOREGROUND"]"#,
            "EXPOSE 80 443/udp 8000-8001",
            r#"ENV DEBUG=true NAME="a b" PATH=$PATH:/more"#,
            r#"label "com.example.vendor"="ACME Incorporated" version='1.0 $PATH'"#,
            "USER postgres:999",
            r#"VOLUME ["/data", "/log"]"#,
            "VOLUME /a /b",
            "WORKDIR b/../c",
            "STOPSIGNAL SIGQUIT",
            "HEALTHCHECK --retries=2 CMD true",
        ])
        .unwrap();
        assert_eq!(config.cmd, ["apachectl", "-DFOREGROUND"]);
        let ports: Vec<_> = config.exposed_ports.iter().map(String::as_str).collect();
        assert_eq!(ports, ["443/udp", "80/tcp", "8000/tcp", "8001/tcp"]);
        assert_eq!(config.env, ["PATH=/bin:/more", "HOME=/root", "DEBUG=true", "NAME=a b"]);
        assert_eq!(config.labels["com.example.vendor"], "ACME Incorporated");
        assert_eq!(config.labels["version"], "1.0 $PATH");
        assert_eq!(config.user, "postgres:999");
        let volumes: Vec<_> = config.volumes.iter().map(String::as_str).collect();
        assert_eq!(volumes, ["/a", "/b", "/data", "/log"]);
        assert_eq!(config.working_dir, "/srv/c");
        assert_eq!(config.stop_signal, "SIGQUIT");
        let check = config.healthcheck.unwrap();
        assert_eq!((check.test.join(" ").as_str(), check.retries), ("CMD-SHELL true", 2));
    }

    #[test]
    fn a_line_is_for_the_shell_and_a_new_entrypoint_drops_the_command() {
        assert_eq!(changed(&["CMD echo $HOME"]).unwrap().cmd, ["/bin/sh", "-c", "echo $HOME"]);
        let config = changed(&["ENTRYPOINT [\"/init\"]"]).unwrap();
        assert_eq!((config.entrypoint, config.cmd.len()), (vec!["/init".to_owned()], 0));
        let both = changed(&["CMD [\"x\"]", "ENTRYPOINT [\"/init\"]"]).unwrap();
        assert_eq!(both.cmd, ["x"]);
        assert_eq!(changed(&["ENV ONE two  three"]).unwrap().env[2], "ONE=two three");
    }

    #[test]
    fn what_cant_be_applied_is_named() {
        for line in [
            "RUN true",
            "CMD",
            "EXPOSE http",
            "EXPOSE 9-1",
            "EXPOSE 0",
            "EXPOSE 80/icmp",
            "ENV NAME",
            "LABEL =x",
            "USER a b",
            "STOPSIGNAL SIGNOPE",
            "HEALTHCHECK --retries=x CMD true",
            "ENV A='x",
            "ENV A=${B:-c}",
        ] {
            let error = changed(&[line]).unwrap_err();
            assert!(error.to_string().contains(&format!("{line:?}")), "{error}");
        }
    }
}
