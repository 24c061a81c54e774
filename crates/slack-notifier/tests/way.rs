//! The way to Slack as CI runners have it: TLS by a private authority (`SSL_CERT_FILE`), through a proxy (`HTTPS_PROXY`), past one
//! (`NO_PROXY`). The certificates in `tests/tls` are for these tests only: an authority and a server `slack.test`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod common;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{ID, Place, Ran};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

const NOTIFIER: &str = env!("CARGO_BIN_EXE_slack-notifier");
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/authority.pem");

/// A Slack behind TLS: whatever it is asked, the message is posted. Ends with the test's process.
fn tls_slack() -> u16 {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(tls, stream.unwrap());
            // A client that does not trust us hangs up in the handshake.
            let _gone = answer(&mut stream);
        }
    });
    port
}

fn answer(stream: &mut (impl Read + Write)) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut *stream);
    let length = read_head(&mut reader)?;
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let body = r#"{"ok":true,"channel":"C0A9M9DPFUY","ts":"1768394096.000100"}"#;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}

// Reads up to the empty line; the Content-Length.
fn read_head(reader: &mut impl std::io::BufRead) -> std::io::Result<u64> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(length);
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
}

/// A proxy that connects `slack.test` to the port behind it, or refuses. What it counts are the connections it made.
fn proxy(to: Option<u16>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || tunnel(stream, to, &counter));
        }
    });
    (port, made)
}

fn tunnel(mut client: TcpStream, to: Option<u16>, made: &AtomicUsize) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut request = String::new();
    reader.read_line(&mut request).unwrap();
    assert!(request.starts_with("CONNECT slack.test:"), "{request}");
    read_head(&mut reader).unwrap();
    let Some(port) = to else {
        let _gone = client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        return;
    };
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .unwrap();
    made.fetch_add(1, Ordering::SeqCst);
    let mut back = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
    let _ended = std::io::copy(&mut reader, &mut server);
}

fn send(place: &Place) -> Ran {
    let ran = place.run(NOTIFIER, &["start", ID, "production", "12345"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

#[test]
fn a_private_authority_is_trusted_where_ssl_cert_file_names_it() {
    let port = tls_slack();
    let mut place = Place::bot();
    place.set("SLACK_API_URL", &format!("https://127.0.0.1:{port}/api/"));
    let ran = send(&place);
    assert!(
        ran.stderr.contains("TLS: ") && ran.stderr.contains("set SSL_CERT_FILE"),
        "{ran:?}"
    );
    assert_eq!(place.queued().len(), 1, "certainly not sent: {ran:?}");
    assert!(place.entries()[0]["unsure"].is_null());
    let mut place = Place::bot();
    place.set("SLACK_API_URL", &format!("https://127.0.0.1:{port}/api/"));
    place.set("SSL_CERT_FILE", AUTHORITY);
    let ran = send(&place);
    assert!(ran.stderr.contains("Slack has the message"), "{ran:?}");
}

#[test]
fn proxies_are_those_of_the_environment() {
    let (port, made) = proxy(Some(tls_slack()));
    let place = || {
        let mut place = Place::bot();
        // The name is nobody's: only the proxy knows where it is.
        place.set("SLACK_API_URL", "https://slack.test/api/");
        place.set("SSL_CERT_FILE", AUTHORITY);
        place.set("SLACK_TIMEOUT", "5s");
        place
    };
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let mut place = place();
        place.set(name, &format!("http://127.0.0.1:{port}"));
        let ran = send(&place);
        assert!(
            ran.stderr.contains("Slack has the message"),
            "{name}: {ran:?}"
        );
    }
    assert_eq!(made.load(Ordering::SeqCst), 3);
    let mut past = place();
    past.set("HTTPS_PROXY", &format!("http://127.0.0.1:{port}"));
    past.set("NO_PROXY", "localhost, slack.test");
    assert!(send(&past).stderr.contains("kept in the retry queue"));
    assert_eq!(made.load(Ordering::SeqCst), 3, "not through the proxy");
    let (refusing, _) = proxy(None);
    let mut refused = place();
    refused.set(
        "HTTPS_PROXY",
        &format!("http://user:topsecretword@127.0.0.1:{refusing}"),
    );
    let ran = send(&refused);
    let told =
        format!("the proxy refused to connect to Slack (through the proxy 127.0.0.1:{refusing});");
    assert!(ran.stderr.contains(&told), "{ran:?}");
    assert!(!ran.stderr.contains("topsecretword"), "{ran:?}");
    assert!(
        refused.entries()[0]["unsure"].is_null(),
        "what is said to the proxy is not said to Slack"
    );
}

#[test]
fn this_machine_is_never_reached_through_a_proxy() {
    let mut place = Place::bot();
    place.set("HTTPS_PROXY", "http://127.0.0.1:1");
    place.set("ALL_PROXY", "http://127.0.0.1:1");
    let ran = send(&place);
    assert!(ran.stderr.contains("Slack has the message"), "{ran:?}");
}
