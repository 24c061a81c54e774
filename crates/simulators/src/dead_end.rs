//! An address that never takes a connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A listener on loopback whose queue of connections is full: to connect there takes for ever, as to a host behind a firewall
/// that swallows packets. It ends when dropped.
#[derive(Debug)]
pub struct DeadEnd {
    address: SocketAddr,
    _listener: Socket,
    _queue: Vec<TcpStream>,
}

/// A connection to loopback that takes longer is one that is not taken.
const TAKEN_WITHIN: Duration = Duration::from_millis(500);
/// The kernel keeps a few more connections waiting than it was told to.
const LONGEST_QUEUE: usize = 64;

impl DeadEnd {
    /// On any free port.
    pub fn start() -> io::Result<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(0)?;
        let address = listener.local_addr()?.as_socket().ok_or_else(|| {
            io::Error::other("a socket bound to 127.0.0.1 has no address of the internet")
        })?;
        let mut queue = Vec::new();
        while let Ok(waiting) = TcpStream::connect_timeout(&address, TAKEN_WITHIN) {
            queue.push(waiting);
            if queue.len() > LONGEST_QUEUE {
                return Err(io::Error::other("the queue of connections is never full"));
            }
        }
        Ok(Self {
            address,
            _listener: listener,
            _queue: queue,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
