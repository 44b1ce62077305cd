//! As much of an API server as `kubectl exec`, `attach` and `port-forward` ask for: one pod, and its streams.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use isopod_cri_protocol::v1::{AttachRequest, ExecRequest, PortForwardRequest};
use isopod_streaming::Streaming;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::form_urlencoded;

use super::Host;

const POD: &str = "/api/v1/namespaces/default/pods/x";

/// What was asked for: the protocol of each upgrade, with a WebSocket's subprotocols.
pub type Upgrades = Arc<Mutex<Vec<String>>>;

/// Serves on a free port until the test ends.
pub async fn serve(streaming: Streaming<Host>) -> (u16, Upgrades) {
    let upgrades = Upgrades::default();
    let seen = upgrades.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (streaming, seen) = (streaming.clone(), seen.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let streaming = streaming.clone();
                let text = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
                if let Some(upgrade) = text("upgrade") {
                    let more = text("sec-websocket-protocol").unwrap_or_default();
                    seen.lock().unwrap().push(format!("{upgrade} {more}"));
                }
                async move { Ok::<_, Infallible>(answer(&streaming, request)) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    (port, upgrades)
}

fn answer(streaming: &Streaming<Host>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let all = |name: &str| -> Vec<String> {
        query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    };
    let yes = |name: &str| all(name).iter().any(|value| value == "true" || value == "1");
    let container_id = all("container").join(",");
    match request.uri().path().strip_prefix(POD) {
        Some("/exec") => {
            let wanted = ExecRequest {
                container_id,
                cmd: all("command"),
                tty: yes("tty"),
                stdin: yes("stdin"),
                stdout: yes("stdout"),
                stderr: yes("stderr"),
            };
            streaming.exec(request, wanted)
        }
        Some("/attach") => {
            let wanted = AttachRequest {
                container_id,
                stdin: yes("stdin"),
                tty: yes("tty"),
                stdout: yes("stdout"),
                stderr: yes("stderr"),
            };
            streaming.attach(request, wanted)
        }
        Some("/portforward") => {
            let pod_sandbox_id = "x".to_owned();
            let port = all("ports").iter().filter_map(|port| port.parse().ok()).collect();
            streaming.port_forward(request, PortForwardRequest { pod_sandbox_id, port })
        }
        _ => document(request.uri().path()),
    }
}

fn document(path: &str) -> Response<Full<Bytes>> {
    let found = match path {
        "/version" => json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0"}),
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
        "/api/v1" => json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
                "verbs": ["get", "list", "watch"], "shortNames": ["po"]},
        ]}),
        POD => json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "x", "namespace": "default", "uid": "1"},
            "spec": {"containers": [{"name": "c", "image": "i", "stdin": true,
                "ports": [{"containerPort": 80}]}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "c", "ready": true, "state": {"running": {}}}]}}),
        _ => Value::Null,
    };
    let status = if found.is_null() { 404 } else { 200 };
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(found.to_string())))
        .unwrap()
}
