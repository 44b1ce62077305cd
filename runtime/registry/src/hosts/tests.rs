//! Files follow the examples of containerd's docs/hosts.md and of containers-registries.conf(5).

use std::time::Duration;

use super::*;
use crate::endpoint::Capabilities;

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn config(&self) -> Result<HostsConfig, HostsError> {
        let at = |name: &str| self.0.path().join(name);
        Ok(HostsConfig {
            roots: vec![at("isopod"), at("containerd")],
            docker_roots: vec![at("docker")],
            registries: RegistriesConf::load(&at("registries.conf"), &at("registries.conf.d"))?,
            ..HostsConfig::default()
        })
    }

    fn endpoints(&self, reference: &str) -> Result<Vec<Endpoint>, HostsError> {
        self.config()?.endpoints(&Reference::parse(reference).unwrap())
    }

    fn origins(&self, reference: &str) -> Vec<String> {
        let endpoints = self.endpoints(reference).unwrap();
        endpoints.iter().map(|e| format!("{}/{}", e.origin(), e.repository)).collect()
    }
}

#[test]
fn without_files_a_registry_is_its_own_server() {
    let files = Files::new(&[]);
    assert_eq!(files.origins("redis"), ["https://registry-1.docker.io/v2/library/redis"]);
    assert_eq!(files.origins("quay.io/a/b"), ["https://quay.io/v2/a/b"]);
}

#[test]
fn mirrors_come_in_file_order_and_the_server_last() {
    let text = r#"
server = "https://registry-1.docker.io"

[host."https://z-mirror.example.com"]
  capabilities = ["pull"]
[host."http://192.168.31.250:5000"]
  capabilities = ["pull", "resolve", "push"]
  skip_verify = true
[host."https://a-mirror.internal/prefix"]
  ca = "docker-mirror.crt"
  client = [["client.cert", "/etc/client.key"], ["other.pem", ""]]
  dial_timeout = "1m1.5s"
  proxy = "http://my-proxy:8080"
  [host."https://a-mirror.internal/prefix".header]
    x-custom-1 = ["a", "b"]
[host."https://harbor.internal/api/proxy"]
  override_path = true
"#;
    let files = Files::new(&[("containerd/docker.io/hosts.toml", text)]);
    assert_eq!(
        files.origins("redis"),
        [
            "https://z-mirror.example.com/v2/library/redis",
            "https://192.168.31.250:5000/v2/library/redis",
            "https://a-mirror.internal/prefix/v2/library/redis",
            "https://harbor.internal/api/proxy/library/redis",
            "https://registry-1.docker.io/v2/library/redis",
        ]
    );
    let endpoints = files.endpoints("redis").unwrap();
    assert_eq!(endpoints[0].capabilities, Capabilities { resolve: false, pull: true, push: false });
    assert_eq!(endpoints[0].namespace.as_deref(), Some("docker.io"));
    assert_eq!(endpoints[0].registry, "z-mirror.example.com");
    // containerd: plain text with TLS settings means TLS first.
    assert_eq!(endpoints[1].scheme, Scheme::HttpsThenHttp);
    assert!(endpoints[1].tls.skip_verify);
    let folder = files.0.path().join("containerd/docker.io");
    assert_eq!(endpoints[2].tls.authorities, [folder.join("docker-mirror.crt")]);
    let identities = [
        (folder.join("client.cert"), Some("/etc/client.key".into())),
        (folder.join("other.pem"), None),
    ];
    assert_eq!(endpoints[2].tls.identities, identities);
    assert_eq!(endpoints[2].dial_timeout, Some(Duration::from_millis(61_500)));
    assert_eq!(endpoints[2].proxy.as_ref().unwrap().as_str(), "http://my-proxy:8080/");
    let headers: Vec<_> = endpoints[2].headers.iter().map(|(_, v)| v.to_str().unwrap()).collect();
    assert_eq!(headers, ["a", "b"]);
    assert_eq!((endpoints[4].namespace.as_deref(), &*endpoints[4].registry), (None, "docker.io"));
}

#[test]
fn without_a_server_the_registry_itself_is_last() {
    let files = Files::new(&[(
        "containerd/_default/hosts.toml",
        "skip_verify = true\n[host.\"https://m.example\"]\n",
    )]);
    assert_eq!(files.origins("quay.io/a"), ["https://m.example/v2/a", "https://quay.io/v2/a"]);
    let endpoints = files.endpoints("quay.io/a").unwrap();
    assert!(endpoints[1].tls.skip_verify && !endpoints[0].tls.skip_verify);
    let hub = Files::new(&[("isopod/docker.io/hosts.toml", "server = \"https://docker.io\"\n")]);
    assert_eq!(hub.origins("redis"), ["https://registry-1.docker.io/v2/library/redis"]);
    let only = Files::new(&[("isopod/_default/hosts.toml", "server = \"m.example\"\n")]);
    assert_eq!(only.origins("quay.io/a"), ["https://m.example/v2/a"]);
}

#[test]
fn the_most_special_rule_wins() {
    let server = |name: &str| format!("server = \"https://{name}\"");
    let (first, second, third) = (server("port-form"), server("colon-form"), server("containerd"));
    let (fallback, conf) = (
        server("default"),
        "[[registry]]\nlocation = \"c.io\"\n[[registry.mirror]]\nlocation = \"m.io\"\n",
    );
    let files = Files::new(&[
        ("isopod/a.io_5000_/hosts.toml", &first),
        ("isopod/a.io:5000/hosts.toml", &second),
        ("containerd/a.io:5000/hosts.toml", &third),
        ("containerd/b.io/hosts.toml", &third),
        ("isopod/_default/hosts.toml", &fallback),
        ("registries.conf", conf),
    ]);
    assert_eq!(files.origins("a.io:5000/x"), ["https://port-form/v2/x"]);
    assert_eq!(files.origins("b.io/x"), ["https://containerd/v2/x"]);
    assert_eq!(files.origins("c.io/x"), ["https://m.io/v2/x", "https://c.io/v2/x"]);
    assert_eq!(files.origins("d.io/x"), ["https://default/v2/x"]);
    assert_eq!(files.origins("a.io/x"), ["https://default/v2/x"]);
}

#[test]
fn certificates_in_docker_form_are_found_beside_and_in_containerds_folder() {
    let files = Files::new(&[
        ("containerd/a.io/ca.crt", ""),
        ("containerd/a.io/client.cert", ""),
        ("containerd/a.io/client.key", ""),
        ("containerd/a.io/readme.txt", ""),
        ("docker/b.io:5000/ca.crt", ""),
    ]);
    let tls = files.endpoints("a.io/x").unwrap().remove(0).tls;
    let folder = files.0.path().join("containerd/a.io");
    assert_eq!(tls.authorities, [folder.join("ca.crt")]);
    assert_eq!(tls.identities, [(folder.join("client.cert"), Some(folder.join("client.key")))]);
    assert_eq!(files.endpoints("b.io:5000/x").unwrap()[0].tls.authorities.len(), 1);
    assert_eq!(files.endpoints("b.io/x").unwrap()[0].tls.authorities.len(), 0);
}

#[test]
fn a_file_that_cannot_be_understood_is_an_error_that_names_it() {
    for text in [
        "server = ",
        "sever = \"https://a\"",
        "[host.\"https://a\"]\ncapabilties = [\"pull\"]",
        "[host.\"https://a\"]\ncapabilities = [\"fly\"]",
        "[host.\"https://a\"]\ndial_timeout = \"soon\"",
        "[host.\"https://a\"]\ndial_timeout = \"0s\"",
        "[host.\"https://a\"]\nca = 7",
        "[host.\"https://a\"]\nclient = [[\"a\"]]",
        "[host.\"https://a\"]\nproxy = \"ftp://x\"",
        "[host.\"ftp://a\"]",
        "[host.\"https://u:p@a\"]",
        "[host.\"https://a?x\"]",
        "[host.\"https://\"]",
        "override_path = true",
        "[header]\n\"bad name\" = \"x\"",
        "[header]\nname = \"bad\\nvalue\"",
    ] {
        let files = Files::new(&[("isopod/a.io/hosts.toml", text)]);
        let error = files.endpoints("a.io/x").unwrap_err();
        assert!(error.to_string().contains("isopod/a.io/hosts.toml"), "{text}: {error}");
    }
}

#[test]
fn what_the_command_line_says_is_about_the_registry_and_no_mirror() {
    let text = "server = \"https://a.io\"\n[host.\"https://m.io\"]\n";
    let files = Files::new(&[("isopod/a.io/hosts.toml", text)]);
    let mut config = files.config().unwrap();
    config.plain_http = vec!["a.io".into(), "m.io".into()];
    config.skip_verify = vec!["a.io".into(), "m.io".into()];
    let endpoints = config.endpoints(&Reference::parse("a.io/x").unwrap()).unwrap();
    assert_eq!(endpoints[0].scheme, Scheme::Https);
    assert!(!endpoints[0].tls.skip_verify);
    assert_eq!(endpoints[1].scheme, Scheme::Http);
    assert!(endpoints[1].tls.skip_verify);
}

const CONF: &str = r#"
unqualified-search-registries = ["example.com", "quay.io"]
short-name-mode = "permissive"

[[registry]]
prefix = "example.com/foo"
location = "internal-registry-for-example.com/bar"
[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"
[[registry.mirror]]
location = "example-mirror-1.local:5000/mirrors/foo"
insecure = true
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "example-mirror-2.local"
pull-from-mirror = "tag-only"

[[registry]]
location = "example.com"
insecure = true

[[registry]]
prefix = "*.wild.example"
[[registry.mirror]]
location = "wild-mirror.local"

[[registry]]
prefix = "bad.example"
blocked = true

[aliases]
"skopeo" = "quay.io/skopeo/stable"
"a/b" = "localhost:5000/a/b"
"#;

#[test]
fn registries_conf_moves_and_mirrors_by_the_longest_prefix() {
    let files = Files::new(&[("registries.conf", CONF)]);
    assert_eq!(
        files.origins("example.com/foo/image:1"),
        [
            "https://example-mirror-0.local/v2/mirror-for-foo/image",
            "https://example-mirror-2.local/v2/image",
            "https://internal-registry-for-example.com/v2/bar/image",
        ]
    );
    let by_digest = format!("example.com/foo/image@sha256:{}", "a".repeat(64));
    assert_eq!(
        files.origins(&by_digest)[..2],
        [
            "https://example-mirror-0.local/v2/mirror-for-foo/image",
            "https://example-mirror-1.local:5000/v2/mirrors/foo/image",
        ]
    );
    let insecure = &files.endpoints(&by_digest).unwrap()[1];
    assert_eq!((insecure.scheme, insecure.tls.skip_verify), (Scheme::HttpsThenHttp, true));
    assert_eq!(files.origins("example.com/foobar:1"), ["https://example.com/v2/foobar"]);
    assert_eq!(files.endpoints("example.com/foobar:1").unwrap()[0].scheme, Scheme::HttpsThenHttp);
    assert_eq!(
        files.origins("x.y.wild.example/a"),
        ["https://wild-mirror.local/v2/a", "https://x.y.wild.example/v2/a"]
    );
    assert_eq!(files.origins("wild.example/a"), ["https://wild.example/v2/a"]);
    let error = files.endpoints("bad.example/a").unwrap_err();
    assert!(matches!(error, HostsError::Blocked { .. }), "{error}");
}

#[test]
fn short_names_go_by_alias_then_by_search_then_to_docker_io() {
    let names = |files: &Files, typed: &str| -> Vec<String> {
        let expanded = files.config().unwrap().registries.expand(typed).unwrap();
        expanded.iter().map(ToString::to_string).collect()
    };
    let files = Files::new(&[("registries.conf", CONF)]);
    assert_eq!(names(&files, "skopeo:v1"), ["quay.io/skopeo/stable:v1"]);
    assert_eq!(names(&files, "a/b"), ["localhost:5000/a/b:latest"]);
    assert_eq!(names(&files, "redis:7"), ["example.com/redis:7", "quay.io/redis:7"]);
    assert_eq!(names(&files, "docker.io/redis"), ["docker.io/library/redis:latest"]);
    assert_eq!(names(&files, "localhost/x"), ["localhost/x:latest"]);
    let none = Files::new(&[]);
    assert_eq!(names(&none, "redis:alpine"), ["docker.io/library/redis:alpine"]);
    assert!(none.config().unwrap().registries.expand("Redis").is_err());
}

#[test]
fn drop_ins_replace_what_was_said_before() {
    let files = Files::new(&[
        ("registries.conf", CONF),
        (
            "registries.conf.d/10-a.conf",
            "[aliases]\n\"skopeo\" = \"a.io/skopeo\"\n\"a/b\" = \"\"\n",
        ),
        (
            "registries.conf.d/20-b.conf",
            "unqualified-search-registries = []\n[[registry]]\nprefix = \"bad.example\"\n",
        ),
        ("registries.conf.d/readme", "nonsense"),
    ]);
    let registries = files.config().unwrap().registries;
    assert_eq!(registries.expand("skopeo").unwrap()[0].to_string(), "a.io/skopeo:latest");
    assert_eq!(registries.expand("a/b").unwrap()[0].to_string(), "docker.io/a/b:latest");
    assert_eq!(files.origins("bad.example/a"), ["https://bad.example/v2/a"]);
}

#[test]
fn a_registries_conf_that_cannot_be_understood_is_an_error_that_names_it() {
    for text in [
        "[registries.search]\nregistries = ['docker.io']",
        "unknown = 1",
        "short-name-mode = \"loose\"",
        "[[registry]]",
        "[[registry]]\nprefix = \"a\"\ntypo = 1",
        "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\ninsecure = true",
        "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"x\"",
    ] {
        let files = Files::new(&[("registries.conf", text)]);
        let error = files.config().unwrap_err();
        assert!(error.to_string().contains("registries.conf"), "{text}: {error}");
    }
}
