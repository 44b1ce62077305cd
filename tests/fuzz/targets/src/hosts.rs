//! `hosts.toml` and `registries.conf`: servers that can be asked, and no credential of one in a URL of another.

use std::fs;

use isopod_image::Reference;
use isopod_registry::endpoint::Endpoint;
use isopod_registry::hosts::{HostsConfig, RegistriesConf};

use crate::{names, scratch};

const ASKED: [&str; 3] = [
    "registry.example/a/b:c",
    "redis:alpine",
    "registry.example:5000/a@sha256:\
     e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// The file of a registry, or of all others.
pub fn hosts_toml(data: &[u8]) {
    let root = scratch::folder();
    for folder in ["registry.example", "_default"] {
        fs::create_dir(root.path().join(folder)).unwrap();
        fs::write(root.path().join(folder).join("hosts.toml"), data).unwrap();
    }
    let config = HostsConfig { roots: vec![root.path().to_owned()], ..HostsConfig::default() };
    for asked in ASKED {
        let reference = Reference::parse(asked).unwrap();
        if let Ok(endpoints) = config.endpoints(&reference) {
            assert!(!endpoints.is_empty());
            endpoints.iter().for_each(endpoint);
        }
    }
}

/// The system's file about registries; before a line `--` a name that somebody types.
pub fn registries_conf(data: &[u8]) {
    let [typed, text] = scratch::parts(data);
    let root = scratch::folder();
    let file = root.path().join("registries.conf");
    fs::write(&file, text).unwrap();
    let Ok(registries) = RegistriesConf::load(&file, &root.path().join("none")) else { return };
    if let Ok(typed) = std::str::from_utf8(typed)
        && let Ok(expanded) = registries.expand(typed)
    {
        expanded.iter().for_each(names::sound);
    }
    let config = HostsConfig { registries, ..HostsConfig::default() };
    for asked in ASKED {
        if let Ok(endpoints) = config.endpoints(&Reference::parse(asked).unwrap()) {
            endpoints.iter().for_each(endpoint);
        }
    }
}

fn endpoint(endpoint: &Endpoint) {
    let origin = endpoint.origin();
    let url = url::Url::parse(&format!("{origin}/{}/manifests/x", endpoint.repository));
    let url = url.unwrap_or_else(|error| panic!("{origin:?} is no URL: {error}"));
    assert!(url.username().is_empty() && url.password().is_none(), "{origin:?}");
    assert!(url.query().is_none() && url.fragment().is_none(), "{origin:?}");
    assert!(url.path().ends_with(&format!("/{}/manifests/x", endpoint.repository)), "{origin:?}");
    let host = url.host_str().unwrap();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let said = endpoint.host.strip_suffix(":443").or(endpoint.host.strip_suffix(":80"));
    let heard = format!("{host}{port}");
    assert!(heard.eq_ignore_ascii_case(&endpoint.host) || said == Some(host), "{origin:?} {heard}");
    assert!(endpoint.dial_timeout.is_none_or(|timeout| !timeout.is_zero()));
}
