//! The client against servers that lie, stall, break off and set baits.

mod auth;
mod bait;
mod blobs;
mod documents;
mod push;
mod server;
mod tags;
mod tls;

use std::net::IpAddr;
use std::time::Duration;

use isopod_image::document::media_types;
use isopod_image::{Descriptor, Manifest, Reference};

use crate::address::Reach;
use crate::{Client, Config, RetryPolicy};
use server::Server;

/// A configuration that gives up soon and finds 127.0.0.2 far away and 127.0.0.3 link-local.
fn config(plain: &[&Server]) -> Config {
    let mut config = Config { classify, ..Config::default() };
    config.hosts.plain_http = plain.iter().map(|server| server.host()).collect();
    config.retry = RetryPolicy {
        attempts: 3,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        longest_retry_after: Duration::from_secs(2),
    };
    config.timeouts.idle = Duration::from_millis(400);
    config.timeouts.connect = Duration::from_secs(5);
    config.timeouts.document = Duration::from_secs(10);
    config
}

fn classify(address: IpAddr) -> Reach {
    match address.to_string().as_str() {
        "127.0.0.2" => Reach::Elsewhere,
        "127.0.0.3" => Reach::LinkLocal,
        _ => Reach::of(address),
    }
}

fn client(server: &Server) -> Client {
    Client::new(config(&[server]))
}

fn reference(server: &Server, rest: &str) -> Reference {
    Reference::parse(&format!("{}/{rest}", server.host())).unwrap()
}

/// A manifest of one layer.
fn manifest() -> Vec<u8> {
    let config = Descriptor::of(media_types::OCI_CONFIG, b"{}");
    let layer = Descriptor::of(media_types::OCI_LAYER, b"layer");
    serde_json::to_vec(&Manifest::new(config, vec![layer])).unwrap()
}

/// Bytes that differ everywhere, so that a piece in the wrong place is noticed.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Work on a client can be spawned.
#[test]
fn futures_of_the_client_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let client = Client::new(Config::default());
    let reference = Reference::parse("a.io/b").unwrap();
    let descriptor = Descriptor::of(media_types::OCI_LAYER, b"x");
    is_send(client.resolve(&reference));
    is_send(client.manifest(&reference, &descriptor));
    is_send(client.blob_bytes(&reference, &descriptor, 1));
    is_send(async {
        let mut stream = client.open_blob(&reference, &descriptor, 0).await.unwrap();
        stream.chunk().await
    });
}
