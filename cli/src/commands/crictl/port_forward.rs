//! `port-forward`: connections to local ports go to a pod's.

mod ports;

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use isopod_cri_client::{v1, within};
use isopod_streaming::client::{ClientError, Forwarder};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use self::ports::Ports;
use super::session::Session;
use super::streaming::{Carrier, address};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::printer::Printer;

/// A connection to the runtime that lived no longer isn't worth another.
const BRIEF: Duration = Duration::from_secs(1);
/// Before another try to accept a connection.
const PAUSE: Duration = Duration::from_millis(50);

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
        session.runtime()?;
        session.wait(async {
            let (mut interrupt, mut terminate) =
                (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
            tokio::select! {
                _ = interrupt.recv() => Ok(0),
                _ = terminate.recv() => Ok(0),
                failed = self.forward(&session) => match failed {
                    Err(error) => Err(error),
                    Ok(never) => match never {},
                },
            }
        })
    }
}

impl Args {
    /// Listens and forwards until the runtime can't be reached any more.
    async fn forward(&self, session: &Session<'_>) -> Result<Infallible, Error> {
        let doing = || format!("forwarding ports to pod sandbox {:?}", self.pod);
        let first = self.connect(session).await.map_err(Error::doing(doing()))?;
        let (replaced, newest) = watch::channel(Arc::new(first));
        let (complain, mut complaints) = mpsc::channel(1);
        let printer = session.context.printer;
        for ports in &self.ports {
            for listener in listen(ports.local).await? {
                let local = listener.local_addr().map_err(in_use(ports.local))?;
                let there = ports.remote;
                printer.line(format_args!("Forwarding from {local} -> {there}"))?;
                let ways = Ways { newest: newest.clone(), complain: complain.clone(), printer };
                tokio::spawn(ways.accept(listener, there));
            }
        }
        loop {
            let forwarder = Arc::clone(&replaced.borrow());
            let since = Instant::now();
            let lost = tokio::select! {
                error = forwarder.closed() => Some(error),
                _ = complaints.recv() => None,
            };
            if let Some(error) = lost.filter(|_| since.elapsed() < BRIEF) {
                return Err(Error::doing(doing())(ClientError::from(error)));
            }
            // A server of Go's may be stuck after a port that didn't answer: kubectl gives up then.
            let next = self.connect(session).await.map_err(Error::doing(doing()))?;
            replaced.send_replace(Arc::new(next));
        }
    }

    async fn connect(&self, session: &Session<'_>) -> Result<Forwarder, Error> {
        let mut client = session.runtime()?;
        let request = v1::PortForwardRequest {
            pod_sandbox_id: self.pod.clone(),
            port: self.ports.iter().map(|ports| i32::from(ports.remote)).collect(),
        };
        let answer = within(Some(session.settings.read), client.port_forward(request)).await?;
        let connector = self.transport.connector();
        Ok(connector.port_forward(&address(&answer.url)).await?)
    }
}

/// What connections need: the way to the pod, and whom to tell that it may be blocked.
#[derive(Clone)]
struct Ways {
    newest: watch::Receiver<Arc<Forwarder>>,
    complain: mpsc::Sender<()>,
    printer: Printer,
}

impl Ways {
    async fn accept(self, listener: TcpListener, port: u16) {
        loop {
            let Ok((connection, _)) = listener.accept().await else {
                // As many as may be open are: some of them will end.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let local = connection.local_addr().map_or(port, |address| address.port());
            self.printer.line(format_args!("Handling connection for {local}")).ok();
            tokio::spawn(self.clone().carry(connection, port));
        }
    }

    async fn carry(self, connection: TcpStream, port: u16) {
        let forwarder = Arc::clone(&self.newest.borrow());
        if let Err(error) = forwarder.carry(port, connection).await {
            let error = Error::from(error);
            self.printer.warn(format_args!("a connection to port {port} failed: {}", error.line()));
            // One that was replaced meanwhile is nobody's trouble any more; one message is enough.
            if Arc::ptr_eq(&forwarder, &self.newest.borrow()) {
                self.complain.try_send(()).ok();
            }
        }
    }
}

fn catch(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|source| Error::Terminal { action: "cannot catch signals", source })
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
