//! Servers that want one to go slower, or never answer.

use std::net::TcpListener;
use std::thread;

use crate::throttle::always;

/// A table without capacity.
pub(crate) fn throttled() -> u16 {
    always(
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}"#,
    )
}

/// A server that takes connections and never answers.
pub(crate) fn silent() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let clients: Vec<_> = listener.incoming().collect();
        drop(clients);
    });
    port
}
