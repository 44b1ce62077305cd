//! The tables follow the test cases published with the distribution project's `reference` package.

use super::*;
use proptest::prelude::*;

/// The grammar at the head of the distribution project's `reference` package, rule by rule, and what is
/// narrower here: ports and addresses are such, digests of the two algorithms that are computed.
fn grammar() -> &'static regex::Regex {
    static GRAMMAR: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        let component = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
        let host = format!(r"(?:{component}(?:\.{component})*|\[[0-9a-fA-F:.]+\])");
        let registry = format!(r"(?<registry>{host}(?::(?<port>[0-9]+))?)");
        let path = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
        let tag = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
        let digest = "sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}";
        let whole = format!(
            r"\A(?:{registry}/)?(?<path>{path}(?:/{path})*)(?::(?<tag>{tag}))?(?:@(?<digest>{digest}))?\z"
        );
        regex::Regex::new(&whole).unwrap()
    });
    &GRAMMAR
}

/// What the grammar makes of a name as docker splits it: registry, repository, tag, digest.
fn by_the_grammar(text: &str) -> Option<(String, String, Option<String>, Option<String>)> {
    // The first folder is a registry if it looks like one; else the grammar may not take it for one.
    let first = text.split('/').next().filter(|first| first.len() < text.len());
    let registry = first.filter(|first| {
        *first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
    });
    let completed = match registry {
        Some(_) => text.to_owned(),
        None => format!("docker.io/{text}"),
    };
    let found = grammar().captures(&completed)?;
    let part = |name| found.name(name).map(|part| part.as_str().to_owned());
    if part("port").is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
        return None;
    }
    let mut registry = part("registry")?;
    if let Some(address) = registry.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
        address.parse::<std::net::Ipv6Addr>().ok()?;
    }
    let mut path = part("path")?;
    let is_id = path.len() == 64 && path.chars().all(|c| c.is_ascii_hexdigit());
    if first.is_none() && is_id && part("tag").is_none() && part("digest").is_none() {
        return None;
    }
    if registry == "index.docker.io" {
        registry = "docker.io".to_owned();
    }
    if registry == "docker.io" && !path.contains('/') {
        path = format!("library/{path}");
    }
    (registry.len() + 1 + path.len() <= 255).then_some((
        registry,
        path,
        part("tag"),
        part("digest"),
    ))
}

const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn canonical(text: &str) -> String {
    Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

#[test]
fn short_names_are_completed_as_docker_does() {
    for (typed, full) in [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:alpine", "docker.io/library/redis:alpine"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/redis:7", "docker.io/library/redis:7"),
        ("docker.io/library/redis", "docker.io/library/redis:latest"),
        ("someone/thing", "docker.io/someone/thing:latest"),
        ("library/redis", "docker.io/library/redis:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"),
        ("[::1]:5000/x:t", "[::1]:5000/x:t"),
        ("[2001:db8::1]/x", "[2001:db8::1]/x:latest"),
        ("quay.io/a/b-c--d__e.f", "quay.io/a/b-c--d__e.f:latest"),
        ("Uppercase/x", "Uppercase/x:latest"),
        ("foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"),
        ("test.com/a:t_A.9-", "test.com/a:t_A.9-"),
    ] {
        assert_eq!(canonical(typed), full, "{typed}");
        assert_eq!(canonical(full), full, "{typed}");
    }
}

#[test]
fn a_digest_takes_the_place_of_the_default_tag_and_stands_beside_a_given_one() {
    let at = format!("redis@sha256:{HEX}");
    let reference = Reference::parse(&at).unwrap();
    assert_eq!(reference.tag(), None);
    assert_eq!(reference.digest().unwrap().hex(), HEX);
    assert_eq!(reference.familiar(), at);
    let both = format!("quay.io/a/b:1@sha256:{HEX}");
    assert_eq!(canonical(&both), both);
    assert_eq!(Reference::parse(&both).unwrap().tag(), Some("1"));
}

#[test]
fn the_familiar_form_is_dockers() {
    for (full, short) in [
        ("docker.io/library/redis:alpine", "redis:alpine"),
        ("docker.io/someone/thing:1", "someone/thing:1"),
        ("quay.io/library/redis:1", "quay.io/library/redis:1"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("docker.io/library/a/b:1", "library/a/b:1"),
        ("docker.io/quay.io/x:1", "docker.io/quay.io/x:1"),
        ("docker.io/localhost/x:1", "docker.io/localhost/x:1"),
    ] {
        let reference = Reference::parse(full).unwrap();
        assert_eq!(reference.familiar(), short);
        assert_eq!(Reference::parse(short).unwrap(), reference);
    }
}

#[test]
fn malformed_references_are_refused() {
    let long = "a".repeat(256);
    let long_tag = format!("redis:{}", "t".repeat(129));
    let upper_digest = format!("redis@sha256:{}", HEX.to_uppercase());
    for hostile in [
        "",
        ":tag",
        "@sha256:x",
        "redis:",
        "redis@",
        "redis:-x",
        "redis:a b",
        "redis:a/b:c",
        "Redis",
        "quay.io/Redis",
        "a//b",
        "/a",
        "a/",
        "quay.io/",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a._b",
        "../../etc/passwd",
        "a/../b",
        "a/./b",
        "./a",
        "localhost:port/x",
        "localhost:/x",
        "localhost:0/x",
        "localhost:65536/x",
        "-host.io/x",
        "host-.io/x",
        "ho st.io/x",
        "a.b..c/x",
        "[::1/x",
        "[::g]:1/x",
        "[::1]x/x",
        "[fe80::1%eth0]/x",
        "user@host.io/x",
        "http://quay.io/x",
        "https://quay.io/x:1",
        "redis:tag:tag",
        "redis\n",
        "redis:a\0",
        "rédis",
        "redis?x=1",
        "redis#x",
        "redis%2f..",
        "quay.io/a\\b",
        "redis@sha256:../../x",
        "redis@sha256:",
        "redis@sha256:abc",
        "redis@md5:d41d8cd98f00b204e9800998ecf8427e",
        HEX,
        &long,
        &long_tag,
        &upper_digest,
    ] {
        assert!(Reference::parse(hostile).is_err(), "{hostile:?}");
        assert!(Reference::parse_strict(hostile).is_err(), "{hostile:?}");
    }
    let registry = format!("quay.io/{}", "a".repeat(247));
    assert!(Reference::parse(&registry).is_ok());
    assert!(matches!(Reference::parse(&format!("{registry}a")), Err(ParseError::TooLong(_))));
}

#[test]
fn the_strict_form_assumes_nothing() {
    for short in ["redis", "redis:alpine", "someone/thing:1"] {
        assert!(matches!(Reference::parse_strict(short), Err(ParseError::NoRegistry(_))));
    }
    assert!(matches!(
        Reference::parse_strict("docker.io/library/redis"),
        Err(ParseError::NoObject(_))
    ));
    let full = "docker.io/library/redis:alpine";
    assert_eq!(Reference::parse_strict(full).unwrap().to_string(), full);
    assert!(Reference::parse_strict(&format!("localhost:5000/x@sha256:{HEX}")).is_ok());
}

#[test]
fn tag_and_digest_replace_each_other() {
    let reference = Reference::parse("quay.io/a/b:1").unwrap();
    assert_eq!(reference.with_tag("2").unwrap().to_string(), "quay.io/a/b:2");
    assert!(reference.with_tag("../x").is_err());
    let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
    let at = reference.with_digest(digest);
    assert_eq!(at.to_string(), format!("quay.io/a/b@sha256:{HEX}"));
    assert_eq!(at.with_tag("3").unwrap().to_string(), "quay.io/a/b:3");
}

fn any_reference() -> impl Strategy<Value = String> {
    let registry =
        "(localhost|docker\\.io|[a-z0-9]{1,5}\\.[a-z]{2,3}|127\\.0\\.0\\.1)(:[1-9][0-9]{0,3})?";
    let path = "[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    // Without a registry, a first folder with a dot would be read as one.
    let name = format!("({registry}/{path}|[a-z0-9]{{1,5}})(/{path}){{0,2}}");
    let text = format!("{name}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,20}})?(@sha256:[0-9a-f]{{64}})?");
    proptest::string::string_regex(&text).unwrap()
}

proptest! {
    #[test]
    fn every_form_of_a_reference_names_the_same_image(text in any_reference()) {
        let reference = Reference::parse(&text).unwrap();
        prop_assert_eq!(&Reference::parse(&reference.to_string()).unwrap(), &reference);
        prop_assert_eq!(&Reference::parse_strict(&reference.to_string()).unwrap(), &reference);
        prop_assert_eq!(&Reference::parse(&reference.familiar()).unwrap(), &reference);
        let json = serde_json::to_string(&reference).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Reference>(&json).unwrap(), &reference);
    }

    #[test]
    fn what_is_a_reference_is_what_the_grammar_says(
        text in "[a-zA-Z.:-]{0,8}/?[a-z0-9._/-]{1,12}(:[a-zA-Z0-9_.-]{0,6})?(@sha256:[0-9a-f]{63,65})?|\\[[0-9a-f:]{0,9}\\](:[0-9]{1,6})?/[a-z]{1,3}|[a-zA-Z0-9./:@_ -]{1,20}|\\PC{0,8}"
    ) {
        let read = Reference::parse(&text).ok().map(|read| {
            let (tag, digest) = (read.tag().map(str::to_owned), read.digest().map(ToString::to_string));
            // A tag that nobody wrote is not the grammar's.
            let tag = if digest.is_none() && !text.ends_with(":latest") { tag.filter(|tag| tag != "latest") } else { tag };
            (read.registry().to_owned(), read.repository().to_owned(), tag, digest)
        });
        prop_assert_eq!(read, by_the_grammar(&text), "{}", text);
    }

    #[test]
    fn whatever_parses_is_safe_in_a_url_path(text in "[a-zA-Z0-9./:@_%?#\\\\ \\[\\]-]{1,40}|\\PC{0,60}|[a-z/.]{1,20}@sha256:[./a-f0-9]{0,70}") {
        for reference in [Reference::parse(&text), Reference::parse_strict(&text)].into_iter().flatten() {
            let safe = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            prop_assert!(reference.repository().split('/').all(|part| safe(part) && !part.is_empty() && !part.starts_with('.')));
            prop_assert!(reference.tag().is_none_or(|tag| safe(tag) && !tag.starts_with('.')));
            prop_assert!(!reference.registry().contains(['/', '@', '\\', '?', '#', '%']));
            prop_assert!(reference.name().len() <= MAX_NAME);
        }
    }
}
