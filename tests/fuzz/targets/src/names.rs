//! References: what is accepted has one spelling, and can stand in a URL and a path as it is.

use isopod_image::Reference;

/// A reference as typed.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let strict = Reference::parse_strict(text);
    let Ok(reference) = Reference::parse(text) else {
        assert!(strict.is_err(), "{text:?} is right where nothing is assumed, but not otherwise");
        return;
    };
    if let Ok(strict) = strict {
        assert_eq!(strict, reference, "{text:?} means two things");
    }
    sound(&reference);
    for again in [reference.to_string(), reference.familiar()] {
        assert_eq!(Reference::parse(&again).as_ref(), Ok(&reference), "{text:?} became {again:?}");
    }
    let full = reference.to_string();
    assert_eq!(Reference::parse_strict(&full).as_ref(), Ok(&reference), "{text:?} became {full:?}");
}

/// No part of a reference says anything to a URL or a file system.
pub fn sound(reference: &Reference) {
    let host = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    assert!(!reference.registry().is_empty() && reference.registry().chars().all(host));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    assert!(reference.repository().chars().all(plain), "{reference}");
    for component in reference.repository().split('/') {
        assert!(!matches!(component, "" | "." | ".."), "{reference}");
        assert!(component.starts_with(|c: char| c.is_ascii_alphanumeric()), "{reference}");
    }
    assert!(reference.registry().len() + 1 + reference.repository().len() <= 255);
    if let Some(tag) = reference.tag() {
        assert!((1..=128).contains(&tag.len()) && !tag.starts_with(['.', '-']), "{reference}");
        assert!(tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)), "{reference}");
    }
    let url = format!("https://{}/v2/{}/manifests/x", reference.registry(), reference.repository());
    let url = url::Url::parse(&url);
    // Host names that URLs don't know (a number as an address, a wrong punycode) reach no server.
    if let Ok(url) = url {
        assert_eq!(url.path(), format!("/v2/{}/manifests/x", reference.repository()));
        assert!(url.query().is_none() && url.username().is_empty() && url.password().is_none());
    }
}
