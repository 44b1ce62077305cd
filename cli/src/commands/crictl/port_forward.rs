//! `port-forward`: connections to local ports go to a pod's.

mod ports;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use isopod_cri_client::{v1, within};
use isopod_streaming::client::Forwarder;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use self::ports::Ports;
use super::session::Session;
use super::streaming::{Carrier, address};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Forward local ports to a pod, until it is ended
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What carries the streams: spdy or websocket
    #[arg(short = 'r', long, value_name = "TRANSPORT", default_value = "spdy")]
    transport: Carrier,
    /// Pod
    #[arg(value_name = "POD-ID")]
    pod: String,
    /// Ports: here and there, or the same; none here, as in :80, takes a free one
    #[arg(value_name = "[LOCAL_PORT:]REMOTE_PORT", required = true, value_parser = Ports::parse)]
    ports: Vec<Ports>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] POD-ID [LOCAL_PORT:]REMOTE_PORT...";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let doing = || format!("forwarding ports to pod sandbox {:?}", self.pod);
        let request = v1::PortForwardRequest {
            pod_sandbox_id: self.pod.clone(),
            port: self.ports.iter().map(|ports| i32::from(ports.remote)).collect(),
        };
        session.wait(async {
            let answer = within(Some(session.settings.read), client.port_forward(request)).await;
            let url = address(&answer.map_err(Error::doing(doing()))?.url);
            let connector = self.transport.connector();
            let forwarder = connector.port_forward(&url).await.map_err(Error::doing(doing()))?;
            let ended = async {
                let (mut interrupt, mut terminate) =
                    (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                Ok::<_, std::io::Error>(0)
            };
            tokio::select! {
                status = ended => status.map_err(|source| Error::Terminal {
                    action: "cannot catch signals",
                    source,
                }),
                error = forward(context, &self.ports, forwarder) => {
                    Err(Error::doing(doing())(error?))
                }
            }
        })
    }
}

/// Listens and forwards until the runtime's connection is gone; why it is.
async fn forward(context: &Context, ports: &[Ports], forwarder: Forwarder) -> Result<Error, Error> {
    let forwarder = Arc::new(forwarder);
    let mut listeners = Vec::new();
    for ports in ports {
        for listener in listen(ports.local).await? {
            let local = listener.local_addr().map_err(in_use(ports.local))?;
            let there = ports.remote;
            context.printer.line(format_args!("Forwarding from {local} -> {there}"))?;
            listeners.push((listener, there));
        }
    }
    let accepting = listeners.into_iter().map(|(listener, port)| {
        let forwarder = Arc::clone(&forwarder);
        let printer = context.printer;
        async move {
            loop {
                let Ok((connection, _)) = listener.accept().await else {
                    // As many as may be open are: some of them will end.
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                };
                let local = connection.local_addr().map_or(port, |address| address.port());
                printer.line(format_args!("Handling connection for {local}")).ok();
                tokio::spawn(carry(Arc::clone(&forwarder), port, connection, printer));
            }
        }
    });
    tokio::select! {
        error = forwarder.closed() => Ok(isopod_streaming::client::ClientError::from(error).into()),
        _ = futures_util::future::join_all::<_>(accepting.collect::<Vec<_>>()) => {
            unreachable!("listeners listen for ever")
        }
    }
}

async fn carry(
    forwarder: Arc<Forwarder>,
    port: u16,
    connection: TcpStream,
    printer: crate::output::printer::Printer,
) {
    if let Err(error) = forwarder.carry(port, connection).await {
        let error = Error::from(error);
        printer.warn(format_args!("a connection to port {port} failed: {}", error.line()));
    }
}

/// Both loopback addresses with the same port, or IPv4's alone where there is no other.
async fn listen(port: u16) -> Result<Vec<TcpListener>, Error> {
    let bind = |address: SocketAddr| TcpListener::bind(address);
    let first = bind((Ipv4Addr::LOCALHOST, port).into()).await.map_err(in_use(port))?;
    let chosen = first.local_addr().map_err(in_use(port))?.port();
    let mut listeners = vec![first];
    listeners.extend(bind((Ipv6Addr::LOCALHOST, chosen).into()).await.ok());
    Ok(listeners)
}

fn in_use(port: u16) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::File { action: "listen at", path: format!("port {port}"), source }
}
