//! The test registries are what they say they are, seen by a peer's eyes (skopeo).
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use isopod_tests::{Fixtures, Invocation, Outcome};

/// `skopeo inspect` of a reference, told to print only the digest.
fn digest(reference: &str, flags: &[&str]) -> Outcome {
    let reference = format!("docker://{reference}");
    let head = ["inspect", "--no-tags", "--format", "{{.Digest}}"];
    let args = head.iter().chain(flags).copied().chain([reference.as_str()]);
    // skopeo looks up who it is, and where that one's credentials are.
    Invocation::new("skopeo", args).env("HOME", "/nonexistent").run()
}

const PLAIN_HTTP: &str = "--tls-verify=false";
const REDIS: &str = "library/redis:alpine";

#[test]
fn plain_http_serves_every_image_under_its_digest() {
    let fixtures = Fixtures::load();
    for image in [REDIS, "library/busybox:latest", "test/corners:zstd", "test/corners:schema2"] {
        let seen = digest(&fixtures.plain().reference(image), &[PLAIN_HTTP]);
        assert_eq!(seen.line(), fixtures.digest_of(image), "{image}");
    }
}

#[test]
fn schema_2_is_another_manifest_of_the_same_image() {
    let fixtures = Fixtures::load();
    let reference = fixtures.plain().reference("test/corners:schema2");
    let raw = ["inspect", PLAIN_HTTP, "--raw", &format!("docker://{reference}")];
    let manifest: serde_json::Value = Invocation::new("skopeo", raw).run().json();
    assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    let layers = manifest["layers"].as_array().map(Vec::len);
    assert_eq!(layers, Some(4));
}

#[test]
fn tls_is_trusted_with_its_own_authority_alone() {
    let fixtures = Fixtures::load();
    let reference = fixtures.tls().reference(REDIS);
    digest(&reference, &[]).complains_of("x509");
    let folder = tempfile::tempdir().unwrap();
    let authority = fixtures.tls().ca.as_ref().unwrap();
    std::fs::copy(authority, folder.path().join("ca.crt")).unwrap();
    let trusted = format!("--cert-dir={}", folder.path().display());
    assert_eq!(digest(&reference, &[&trusted]).line(), fixtures.digest_of(REDIS));
}

#[test]
fn a_token_is_for_everyone_where_open_and_for_one_user_elsewhere() {
    let fixtures = Fixtures::load();
    let token = fixtures.token();
    assert_eq!(digest(&token.reference(REDIS), &[PLAIN_HTTP]).line(), fixtures.digest_of(REDIS));
    let private = token.reference("private/busybox:latest");
    digest(&private, &[PLAIN_HTTP]).complains_of("denied");
    digest(&private, &[PLAIN_HTTP, "--creds=ada:wrong"]).complains_of("invalid username/password");
    let ours =
        format!("--creds={}:{}", token.user.as_ref().unwrap(), token.password.as_ref().unwrap());
    digest(&private, &[PLAIN_HTTP, &ours]).succeeds();
}

#[test]
fn basic_authentication_is_asked_of_everyone() {
    let fixtures = Fixtures::load();
    let basic = fixtures.basic();
    let reference = basic.reference(REDIS);
    digest(&reference, &[PLAIN_HTTP]).complains_of("authentication required");
    let ours =
        format!("--creds={}:{}", basic.user.as_ref().unwrap(), basic.password.as_ref().unwrap());
    digest(&reference, &[PLAIN_HTTP, &ours]).succeeds();
}
