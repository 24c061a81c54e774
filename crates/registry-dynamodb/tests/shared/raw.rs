//! A request to an emulator as another tool would make it.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::proxy::message;

/// Asks an emulator as an operator with another tool would.
pub(crate) fn raw(port: u16, operation: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\n\
         x-amz-target: DynamoDB_20120810.{operation}\r\nx-amz-date: 20260101T000000Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=emulator/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (head, answer) = message(&mut BufReader::new(stream)).unwrap().unwrap();
    let ok = head.split(' ').nth(1) == Some("200");
    assert!(
        ok,
        "{operation}: {head}{}",
        String::from_utf8_lossy(&answer)
    );
    serde_json::from_slice(&answer).unwrap()
}
