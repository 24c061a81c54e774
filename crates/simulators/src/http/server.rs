//! Accepting connections: a thread each, ended together.

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use registry_core::clock::{StopSignal, Timestamp};

use super::{Answer, Reply, Request, Unread, read, write};

/// What answers requests.
pub(crate) trait Service: Send + Sync + 'static {
    /// Asked when a request's first byte has arrived and nothing is read yet.
    fn before_reading(&self) -> Option<Unread>;
    /// Answers one request.
    fn answer(&self, request: &Request) -> Reply;
    /// The server's clock, for the `Date` header.
    fn now(&self) -> Timestamp;
}

type Connections = Arc<Mutex<HashMap<u64, TcpStream>>>;

/// A server on 127.0.0.1; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: StopSignal,
    connections: Connections,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a port of 127.0.0.1; 0 takes any free one.
    pub(crate) fn start(port: u16, service: Arc<dyn Service>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let stop = StopSignal::default();
        let connections = Connections::default();
        let acceptor = {
            let (stop, connections) = (stop.clone(), Arc::clone(&connections));
            let run = move || accept(&listener, &service, &stop, &connections);
            thread::Builder::new()
                .name("simulator".to_owned())
                .spawn(run)?
        };
        Ok(Self {
            address,
            stop,
            connections,
            acceptor: Some(acceptor),
        })
    }

    /// `http://127.0.0.1:PORT`, with no slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.stop(0);
        // Wakes the acceptor, which then sees the signal; when the connection fails there is no acceptor to wake.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of the acceptor has been printed already; a drop must not add one.
            drop(acceptor.join());
        }
        let connections = std::mem::take(
            &mut *self
                .connections
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for stream in connections.values() {
            // Already closed by the other side: just as well.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn accept(
    listener: &TcpListener,
    service: &Arc<dyn Service>,
    stop: &StopSignal,
    connections: &Connections,
) {
    let next = AtomicU64::new(0);
    for stream in listener.incoming() {
        if stop.signal().is_some() {
            return;
        }
        // A caller that left between connect and accept is no business of the next one's.
        let Ok(stream) = stream else { continue };
        let number = next.fetch_add(1, Ordering::Relaxed);
        if let Ok(handle) = stream.try_clone() {
            connections
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(number, handle);
        }
        let (service, stop, connections) =
            (Arc::clone(service), stop.clone(), Arc::clone(connections));
        let work = move || {
            // An error on a connection ends that connection: the other side has gone or speaks no HTTP.
            drop(serve(stream, &*service, &stop));
            connections
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&number);
        };
        // Without a thread the stream is dropped, which the caller sees as a closed connection.
        drop(
            thread::Builder::new()
                .name("simulator-connection".to_owned())
                .spawn(work),
        );
    }
}

fn serve(mut stream: TcpStream, service: &dyn Service, stop: &StopSignal) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while stop.signal().is_none() {
        // A pipelined request is already in the buffer and cannot stay unread.
        if reader.buffer().is_empty() {
            let Some(steers) = next_steers(&stream)? else {
                return Ok(());
            };
            if let Some(how) = if steers {
                None
            } else {
                service.before_reading()
            } {
                write::unread(&mut stream, how, stop)?;
                return Ok(());
            }
        }
        let request = match read::request(&mut reader, &mut stream) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let reply = Reply::from(Answer::text(400, format!("not HTTP: {error}\n")));
                write::reply(&mut stream, &reply, service.now(), true, stop)?;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let close = request
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let reply = service.answer(&request);
        if !write::reply(&mut stream, &reply, service.now(), close, stop)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the next request is for `/_sim/`, which no fault may strike: who set it must be able to take it away. Nothing is taken
/// from the socket. `None`: the other side has closed.
fn next_steers(stream: &TcpStream) -> io::Result<Option<bool>> {
    let mut start = [0; 32];
    let seen = stream.peek(&mut start)?;
    let target = start[..seen].split(|byte| *byte == b' ').nth(1);
    Ok((seen > 0).then(|| target.is_some_and(|target| target.starts_with(b"/_sim"))))
}
