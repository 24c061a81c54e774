//! Writing an answer, or failing to in a chosen way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use registry_core::clock::{StopSignal, Timestamp, Wake};
use time::macros::format_description;

use super::{Answer, Delivery, Reply, Unread};

/// `Wed, 14 Jan 2026 12:34:56 GMT`.
pub(super) fn http_date(now: Timestamp) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(now.seconds())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at.format(format).unwrap_or_default()
}

/// Sends a reply. `Ok(true)`: the connection can take another request.
pub(super) fn reply(
    stream: &mut TcpStream,
    reply: &Reply,
    date: Timestamp,
    close: bool,
    stop: &StopSignal,
) -> io::Result<bool> {
    let head = head(&reply.answer, date, close);
    let body = &reply.answer.body;
    match reply.delivery {
        Delivery::Whole => whole(stream, &head, body)?,
        Delivery::After(wait) => {
            if stop.wait(wait) == Wake::Elapsed {
                whole(stream, &head, body)?;
            }
        }
        Delivery::Drip(wait) => {
            for byte in head.iter().chain(body) {
                stream.write_all(std::slice::from_ref(byte))?;
                if stop.wait(wait) == Wake::Stopped {
                    return Ok(false);
                }
            }
        }
        Delivery::Hang => return until_gone(stream, stop),
        Delivery::Reset => return reset(stream),
        Delivery::Close => return close_gently(stream, stop),
        Delivery::StallInHeaders => {
            let first_two_lines = head
                .split_inclusive(|byte| *byte == b'\n')
                .take(2)
                .map(<[u8]>::len)
                .sum();
            stream.write_all(&head[..first_two_lines])?;
            return until_gone(stream, stop);
        }
        Delivery::StallInBody => {
            whole(stream, &head, &body[..body.len() / 2])?;
            return until_gone(stream, stop);
        }
        Delivery::CloseInBody => {
            whole(stream, &head, &body[..body.len() / 2])?;
            return close_gently(stream, stop);
        }
    }
    Ok(!close)
}

/// Treats a connection whose next request is not to be read.
pub(super) fn unread(stream: &mut TcpStream, how: Unread, stop: &StopSignal) -> io::Result<bool> {
    match how {
        Unread::Hang => {
            // Not one byte is taken from the socket, so the caller's send buffer can fill up.
            while stop.wait(Duration::from_millis(50)) == Wake::Elapsed && !is_closed(stream) {}
            Ok(false)
        }
        Unread::Reset => reset(stream),
        Unread::Close => close_gently(stream, stop),
    }
}

/// Whether the other side has reset or dropped the connection, as far as can be seen without reading.
fn is_closed(stream: &TcpStream) -> bool {
    matches!(stream.take_error(), Ok(Some(_)) | Err(_))
}

fn whole(stream: &mut TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    // One write for small answers: two packets cost 40 ms when the client delays its acknowledgements.
    stream.write_all(&[head, body].concat())?;
    stream.flush()
}

fn head(answer: &Answer, date: Timestamp, close: bool) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nDate: {}\r\n",
        answer.status,
        reason(answer.status),
        http_date(date)
    );
    for (name, value) in &answer.headers {
        // A header of a fault may hold anything; a line break in it would be another header.
        head.extend([name, ": ", &value.replace(['\r', '\n'], " "), "\r\n"]);
    }
    head.extend(["Content-Length: ", &answer.body.len().to_string(), "\r\n"]);
    head.push_str(if close {
        "Connection: close\r\n\r\n"
    } else {
        "Connection: keep-alive\r\n\r\n"
    });
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        425 => "Too Early",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

/// Waits until the caller has gone or the server stops.
fn until_gone(stream: &mut TcpStream, stop: &StopSignal) -> io::Result<bool> {
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut scratch = [0; 1024];
    while stop.signal().is_none() {
        match stream.read(&mut scratch) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            Err(_) => break,
        }
    }
    Ok(false)
}

/// A reset, not an orderly end: the caller sees `ECONNRESET`.
fn reset(stream: &mut TcpStream) -> io::Result<bool> {
    socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
    Ok(false)
}

/// The end of the stream, and no reset: unread bytes would turn it into one, so they are taken until the caller goes.
fn close_gently(stream: &mut TcpStream, stop: &StopSignal) -> io::Result<bool> {
    stream.shutdown(Shutdown::Write)?;
    until_gone(stream, stop)
}
