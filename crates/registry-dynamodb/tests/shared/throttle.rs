//! A server that answers every request alike.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::thread;

use crate::proxy::message;

/// A server that always answers with `status` and `body`; returns its port.
pub(crate) fn always(status: u16, body: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut requests = BufReader::new(client.try_clone().unwrap());
                while let Ok(Some(_)) = message(&mut requests) {
                    let reply = format!(
                        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if client.write_all(reply.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}
