//! `WWW-Authenticate`, as servers really write it (RFC 9110, 11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How a server wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token from `realm`.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
    /// User and password with every request.
    Basic,
}

/// The challenges of a response that this program can meet, tokens first.
pub(crate) fn parse(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        // Realms are URLs, so ASCII; a value that is none cannot be met.
        let Ok(text) = value.to_str() else { continue };
        for (scheme, parameters) in challenges(text) {
            if scheme.eq_ignore_ascii_case("basic") {
                found.push(Challenge::Basic);
            } else if scheme.eq_ignore_ascii_case("bearer") {
                let get = |name: &str| {
                    let named = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    named.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
                };
                if let Some(realm) = get("realm") {
                    found.push(Challenge::Bearer {
                        realm,
                        service: get("service"),
                        scope: get("scope"),
                    });
                }
            }
        }
    }
    found.sort_by_key(|challenge| *challenge == Challenge::Basic);
    found
}

type Parameters = Vec<(String, String)>;

/// Splits a header into schemes and their parameters. A comma separates both parameters and
/// challenges; a word that no `=` follows begins a challenge.
fn challenges(text: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = Rest(text);
    loop {
        rest.skip_separators();
        let word = rest.token();
        if word.is_empty() {
            // Nothing that could begin anything: the end, or a character out of place.
            if rest.0.is_empty() {
                return found;
            }
            rest.skip_char();
            continue;
        }
        let before = rest.0;
        rest.skip_spaces();
        if !rest.0.starts_with('=') {
            rest.0 = before;
            found.push((word.to_owned(), Vec::new()));
            continue;
        }
        rest.skip_char();
        rest.skip_spaces();
        let value = rest.value();
        if let Some((_, parameters)) = found.last_mut() {
            parameters.push((word.to_owned(), value));
        }
    }
}

struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip_char(&mut self) {
        let mut chars = self.0.chars();
        chars.next();
        self.0 = chars.as_str();
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn token(&mut self) -> &'a str {
        let end = self.0.find(|c: char| !is_token_char(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        token
    }

    /// A quoted string with its escapes undone, or everything up to the next separator.
    fn value(&mut self) -> String {
        let Some(quoted) = self.0.strip_prefix('"') else {
            let end = self.0.find([',', ' ', '\t']).unwrap_or(self.0.len());
            let (value, rest) = self.0.split_at(end);
            self.0 = rest;
            return value.to_owned();
        };
        let mut value = String::new();
        let mut chars = quoted.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => value.extend(chars.next()),
                c => value.push(c),
            }
        }
        self.0 = chars.as_str();
        value
    }
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        parse(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.into(), service: own(service), scope: own(scope) }
    }

    #[test]
    fn challenges_are_read_as_servers_write_them() {
        let hub = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            Some("repository:library/redis:pull"),
        );
        for text in [
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/redis:pull""#,
            r#"bearer REALM = "https://auth.docker.io/token" , service=registry.docker.io,, scope="repository:library/redis:pull","#,
            r#"Negotiate, Bearer realm="https://auth.docker.io/token" service="registry.docker.io" scope="repository:library/redis:pull""#,
            r#"Bearer realm="https://auth\.docker.io/token",service="registry.docker.io",scope="repository:library/redis:pull"#,
        ] {
            assert_eq!(of(&[text]), std::slice::from_ref(&hub), "{text}");
        }
        assert_eq!(of(&[r#"Basic realm="Registry, of \"us\"""#]), [Challenge::Basic]);
        let both = [bearer("https://a/", None, None), Challenge::Basic];
        assert_eq!(of(&[r#"Basic realm="x", Bearer realm="https://a/""#]), both);
        assert_eq!(of(&["Basic", r#"Bearer realm="https://a/""#]), both);
        let comma = bearer("https://a/?x=1,2", None, Some("repository:a:pull,push"));
        assert_eq!(
            of(&[r#"Bearer realm="https://a/?x=1,2",scope="repository:a:pull,push""#]),
            [comma]
        );
    }

    #[test]
    fn what_cannot_be_met_is_left_out() {
        for text in
            ["", "Bearer", r#"Bearer realm="""#, "Negotiate", "=", ",,,", "\"", r#"realm="x""#]
        {
            assert_eq!(of(&[text]), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_parsing_panic_or_hang(text in "[ -~]{0,120}") {
            of(&[&text]);
        }
    }
}
