//! A registry inside a test: serves an OCI image layout over plain HTTP on loopback,
//! remembers every request, and lies where it is told to.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// One request as it came, and what was sent for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// The headers of these names.
    pub range: Option<String>,
    pub authorization: Option<String>,
    /// Bytes of body that were handed to the kernel.
    pub sent: u64,
}

/// What the registry does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// What the layout says.
    Honest,
    /// The same, with a pause before every 64 KiB.
    Slow(Duration),
    /// The same, with a pause before every 1 KiB.
    Trickle(Duration),
    /// This body in place of the right one, with a right length.
    Instead(Vec<u8>),
    /// The right bytes under a length that is not theirs.
    Announce(u64),
    /// So many of the right bytes, then the connection ends.
    CutAfter(usize),
    /// So many of the right bytes, then nothing.
    StallAfter(usize),
    /// Zeros without end and without an announced length.
    Endless,
    /// Nothing but this status and header line.
    Status(u16, String),
}

type Rule = dyn Fn(&Request) -> Reply + Send + Sync;

/// The running registry. It ends when dropped.
pub struct Served {
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    layout: PathBuf,
    rule: Box<Rule>,
    requests: Mutex<Vec<Request>>,
    over: AtomicBool,
}

impl Served {
    /// Serves the layout honestly.
    pub fn honest(layout: &Path) -> Self {
        Self::new(layout, |_| Reply::Honest)
    }

    /// Serves the layout as `rule` says for each request.
    pub fn new(layout: &Path, rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared = Arc::new(Shared {
            layout: layout.to_owned(),
            rule: Box::new(rule),
            requests: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if server.over.load(Ordering::Relaxed) {
                    return;
                }
                let server = Arc::clone(&server);
                // A client that leaves early is no failure of the registry's.
                thread::spawn(move || drop(server.answer(&connection)));
            }
        });
        Self { address, shared }
    }

    /// A reference to an image here.
    pub fn reference(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    /// A `hosts.toml` by which this registry is found, without TLS.
    pub fn hosts_toml(&self) -> String {
        format!("server = \"http://{}\"\n", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no request panics").clone()
    }

    /// Every request for a blob so far.
    pub fn blobs(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path.contains("/blobs/"));
        requests
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        TcpStream::connect(&self.address).ok();
    }
}

impl Shared {
    fn answer(&self, connection: &TcpStream) -> io::Result<()> {
        let Some(request) = read_request(connection)? else { return Ok(()) };
        let reply = (self.rule)(&request);
        let place = {
            let mut requests = self.requests.lock().expect("no request panics");
            requests.push(request.clone());
            requests.len() - 1
        };
        let mut out = Counted { connection, shared: self, place };
        match reply {
            Reply::Status(status, header) => head(connection, status, &[&header], Some(0)),
            reply => match self.find(&request.path) {
                Some((media_type, body)) => self.lie(&mut out, &request, &reply, &media_type, body),
                None => {
                    let body = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"not here"}]}"#;
                    let kind = "Content-Type: application/json";
                    head(connection, 404, &[kind], Some(body.len() as u64))?;
                    out.write_all(body)
                }
            },
        }
    }

    fn lie(
        &self,
        out: &mut Counted<'_>,
        request: &Request,
        reply: &Reply,
        media_type: &str,
        right: Vec<u8>,
    ) -> io::Result<()> {
        let kind = format!("Content-Type: {media_type}");
        let connection = out.connection;
        let length = right.len() as u64;
        if request.method == "HEAD" {
            return head(connection, 200, &[&kind], Some(length));
        }
        match reply {
            Reply::Honest => self.part(out, request, &kind, &right, (64 << 10, Duration::ZERO)),
            Reply::Slow(pause) => self.part(out, request, &kind, &right, (64 << 10, *pause)),
            Reply::Trickle(pause) => self.part(out, request, &kind, &right, (1 << 10, *pause)),
            Reply::Instead(body) => {
                head(connection, 200, &[&kind], Some(body.len() as u64))?;
                out.write_all(body)
            }
            Reply::Announce(announced) => {
                head(connection, 200, &[&kind], Some(*announced))?;
                out.write_all(&right)
            }
            Reply::CutAfter(bytes) => {
                head(connection, 200, &[&kind], Some(length))?;
                out.write_all(&right[..right.len().min(*bytes)])
            }
            Reply::StallAfter(bytes) => {
                head(connection, 200, &[&kind], Some(length))?;
                out.write_all(&right[..right.len().min(*bytes)])?;
                while !self.over.load(Ordering::Relaxed) && !has_left(connection) {
                    thread::sleep(Duration::from_millis(10));
                }
                Ok(())
            }
            Reply::Endless => {
                head(connection, 200, &[&kind], None)?;
                while !self.over.load(Ordering::Relaxed) {
                    out.write_all(&[0; 64 << 10])?;
                }
                Ok(())
            }
            Reply::Status(..) => unreachable!("answered before"),
        }
    }

    /// The right bytes, or the part of them that was asked for.
    fn part(
        &self,
        out: &mut Counted<'_>,
        request: &Request,
        kind: &str,
        right: &[u8],
        (piece, pause): (usize, Duration),
    ) -> io::Result<()> {
        let from = request.range.as_deref().and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        let body = match from {
            None => {
                head(out.connection, 200, &[kind], Some(right.len() as u64))?;
                right
            }
            Some(from) => {
                let (last, all) = (right.len() - 1, right.len());
                let part = format!("Content-Range: bytes {from}-{last}/{all}");
                head(out.connection, 206, &[kind, &part], Some((all - from) as u64))?;
                &right[from..]
            }
        };
        for piece in body.chunks(piece) {
            thread::sleep(pause);
            if self.over.load(Ordering::Relaxed) {
                return Ok(());
            }
            out.write_all(piece)?;
        }
        Ok(())
    }

    /// Media type and bytes of what a path of the protocol names.
    fn find(&self, path: &str) -> Option<(String, Vec<u8>)> {
        if path == "/v2/" {
            return Some(("application/json".to_owned(), b"{}".to_vec()));
        }
        let path = path.split('?').next().unwrap_or(path);
        let path = path.strip_prefix("/v2/")?;
        if let Some((_, digest)) = path.split_once("/blobs/") {
            return Some(("application/octet-stream".to_owned(), self.blob(digest)?));
        }
        let (name, tag) = path.split_once("/manifests/")?;
        let digest = if tag.contains(':') { tag.to_owned() } else { self.tagged(name, tag)? };
        let bytes = self.blob(&digest)?;
        let document: Value = serde_json::from_slice(&bytes).ok()?;
        Some((document["mediaType"].as_str()?.to_owned(), bytes))
    }

    fn tagged(&self, name: &str, tag: &str) -> Option<String> {
        let index = fs::read(self.layout.join("index.json")).ok()?;
        let index: Value = serde_json::from_slice(&index).ok()?;
        let wanted = format!("{name}:{tag}");
        let found = index["manifests"].as_array()?.iter().find(|manifest| {
            manifest["annotations"]["org.opencontainers.image.ref.name"] == wanted.as_str()
        })?;
        Some(found["digest"].as_str()?.to_owned())
    }

    fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        fs::read(self.layout.join("blobs").join(digest.replacen(':', "/", 1))).ok()
    }
}

/// A connection whose bytes are noted with the request.
struct Counted<'a> {
    connection: &'a TcpStream,
    shared: &'a Shared,
    place: usize,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.connection.write(bytes)?;
        let mut requests = self.shared.requests.lock().expect("no request panics");
        requests[self.place].sent += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}

fn read_request(connection: &TcpStream) -> io::Result<Option<Request>> {
    let mut lines = BufReader::new(connection).lines();
    let Some(first) = lines.next() else { return Ok(None) };
    let first = first?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        range: None,
        authorization: None,
        sent: 0,
    };
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.trim().to_owned()),
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Ok(Some(request))
}

/// One response a connection: what a test sees is easier to follow so.
fn head(
    mut connection: &TcpStream,
    status: u16,
    headers: &[&str],
    length: Option<u64>,
) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n");
    for header in headers.iter().filter(|header| !header.is_empty()) {
        text += &format!("{header}\r\n");
    }
    if let Some(length) = length {
        text += &format!("Content-Length: {length}\r\n");
    }
    connection.write_all(format!("{text}\r\n").as_bytes())
}

fn has_left(mut connection: &TcpStream) -> bool {
    connection.set_nonblocking(true).ok();
    matches!(connection.read(&mut [0]), Ok(0))
}
