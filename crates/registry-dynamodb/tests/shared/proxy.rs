//! A proxy that loses replies after the server has acted on them, takes the conditions out of writes, or refuses.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What the proxy does to the traffic.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mischief {
    /// One in so many replies is lost; 0: none.
    pub(crate) lose_one_in: u64,
    /// Conditions are taken out of writes.
    pub(crate) unconditional: bool,
    /// Every request of this operation is refused with this body, and the server never hears of it.
    pub(crate) refuse: Option<(&'static str, &'static str)>,
    /// After the first write of an environment's item this is done to the server (its port), and then the reply is lost.
    pub(crate) meddle: Option<fn(u16)>,
}

/// Starts the proxy; returns its port and the count of lost replies. It lives as long as the test process.
pub(crate) fn start(server: u16, mischief: Mischief) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let lost = Arc::new(AtomicU64::new(0));
    let count = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&lost);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (count, lost) = (Arc::clone(&count), Arc::clone(&lost));
            // A client that went away in the middle is no failure of the test.
            thread::spawn(move || drop(serve(client, server, mischief, &count, &lost)));
        }
    });
    (port, told)
}

fn serve(
    mut client: TcpStream,
    server: u16,
    mischief: Mischief,
    count: &AtomicU64,
    lost: &AtomicU64,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut requests = BufReader::new(client.try_clone()?);
    loop {
        let Some((head, body)) = message(&mut requests)? else {
            return Ok(());
        };
        if let Some(answer) = mischief.refuse.and_then(|refuse| refusal(&head, refuse)) {
            client.write_all(answer.as_bytes())?;
            continue;
        }
        let is_slot = head.to_ascii_lowercase().contains("putitem\r\n")
            && body.windows(6).any(|part| part == b"\"SLOT\"");
        let (head, body) = if mischief.unconditional {
            without_conditions(&head, &body)
        } else {
            (head, body)
        };
        // A connection for each request: one that the server closed for idleness would look like a lost request.
        let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
        upstream.set_nodelay(true)?;
        upstream.write_all(&[head.as_bytes(), &body].concat())?;
        let Some((head, body)) = message(&mut BufReader::new(upstream))? else {
            return Ok(());
        };
        if let Some(meddle) = mischief.meddle
            && is_slot
            && lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            meddle(server);
            return Ok(());
        }
        let number = count.fetch_add(1, Ordering::Relaxed);
        if mischief.lose_one_in > 0 && number % mischief.lose_one_in == mischief.lose_one_in - 1 {
            lost.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        client.write_all(&[head.as_bytes(), &body].concat())?;
    }
}

/// One message of HTTP/1.1 with a length: its head and its body; `None` at the end of the connection.
pub(crate) fn message(from: &mut impl BufRead) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

fn refusal(head: &str, (operation, body): (&str, &str)) -> Option<String> {
    let target = format!("dynamodb_20120810.{operation}\r\n").to_ascii_lowercase();
    let date = "Thu, 26 Nov 2026 12:00:00 GMT";
    head.to_ascii_lowercase().contains(&target).then(|| {
        format!(
            "HTTP/1.1 400 X\r\ndate: {date}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    })
}

fn without_conditions(head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let is_put = head
        .to_ascii_lowercase()
        .contains("dynamodb_20120810.putitem");
    let Ok(serde_json::Value::Object(mut request)) = serde_json::from_slice(body) else {
        return (head.to_owned(), body.to_vec());
    };
    if !is_put {
        return (head.to_owned(), body.to_vec());
    }
    for part in [
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
    ] {
        request.remove(part);
    }
    let body = serde_json::Value::Object(request).to_string().into_bytes();
    let head: String = head
        .split_inclusive("\r\n")
        .map(|line| {
            if line.to_ascii_lowercase().starts_with("content-length:") {
                format!("content-length: {}\r\n", body.len())
            } else {
                line.to_owned()
            }
        })
        .collect();
    (head, body)
}
