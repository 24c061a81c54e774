//! Reading a request.

use std::io::{self, BufRead, Read, Write};

use super::Request;

/// Longer heads and bodies are refused: nothing real comes near.
const LONGEST_HEAD: u64 = 256 * 1024;
const LONGEST_BODY: u64 = 64 * 1024 * 1024;

/// Reads the next request; `None` when the other side has closed. `interim` gets `100 Continue` where it is waited for.
pub(super) fn request(
    reader: &mut impl BufRead,
    interim: &mut impl Write,
) -> io::Result<Option<Request>> {
    let Some(line) = first_line(reader)? else {
        return Ok(None);
    };
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(invalid("the request line has no target"));
    };
    let headers = headers(reader)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: decode(path, false),
        query: form_pairs(query),
        headers,
        body: Vec::new(),
    };
    let expects = |value: &str| value.eq_ignore_ascii_case("100-continue");
    if request.header("expect").is_some_and(expects) {
        interim.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        interim.flush()?;
    }
    request.body = body(reader, &request)?;
    Ok(Some(request))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

fn first_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    loop {
        match line(reader)? {
            None => return Ok(None),
            // Empty lines before a request are allowed (RFC 9112, 2.2).
            Some(line) if line.is_empty() => {}
            Some(line) => return Ok(Some(line)),
        }
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let count = reader.take(LONGEST_HEAD).read_until(b'\n', &mut bytes)?;
    if count == 0 {
        return Ok(None);
    }
    if bytes.last() != Some(&b'\n') {
        return Err(invalid("the head of the request is cut off or too long"));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?.ok_or_else(|| invalid("the head of the request is cut off"))?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| invalid("a header without a colon"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn body(reader: &mut impl BufRead, request: &Request) -> io::Result<Vec<u8>> {
    let chunked = |value: &str| value.to_ascii_lowercase().contains("chunked");
    if request.header("transfer-encoding").is_some_and(chunked) {
        return chunks(reader);
    }
    let Some(length) = request.header("content-length") else {
        return Ok(Vec::new());
    };
    let length: u64 = length
        .parse()
        .map_err(|_| invalid("Content-Length is no number"))?;
    exactly(reader, length)
}

fn exactly(reader: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    if length > LONGEST_BODY {
        return Err(invalid("the body is too long"));
    }
    let mut body = Vec::new();
    let read = reader.take(length).read_to_end(&mut body)?;
    if read as u64 == length {
        Ok(body)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = line(reader)?.ok_or_else(|| invalid("a chunk is cut off"))?;
        let digits = head.split(';').next().unwrap_or("").trim();
        let length =
            u64::from_str_radix(digits, 16).map_err(|_| invalid("a chunk without a length"))?;
        if length + body.len() as u64 > LONGEST_BODY {
            return Err(invalid("the body is too long"));
        }
        body.append(&mut exactly(reader, length)?);
        if length == 0 {
            headers(reader)?;
            return Ok(body);
        }
        line(reader)?;
    }
}

/// `a=1&b=2`, decoded.
pub(super) fn form_pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        })
        .collect()
}

/// Undoes percent-encoding; a `%` that begins no code stands for itself.
fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                bytes.push(hex(*high) * 16 + hex(*low));
                rest = after;
            }
            (b'+', _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Option<Request>> {
        request(&mut text.as_bytes(), &mut Vec::new())
    }

    #[test]
    fn a_form_with_a_length() {
        let read =
            read("POST /a%20b/?x=1+2&y HTTP/1.1\r\nContent-Length: 7\r\nX-A: b\r\n\r\nA=%2B&b");
        let request = read.unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/a b/")
        );
        assert_eq!(request.query("x"), Some("1 2"));
        assert_eq!(request.form()[0], ("A".to_owned(), "+".to_owned()));
        assert_eq!(request.header("x-a"), Some("b"));
    }

    #[test]
    fn chunks_are_joined_and_continue_is_said() {
        let text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
                    3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
        let mut interim = Vec::new();
        let request = request(&mut text.as_bytes(), &mut interim)
            .unwrap()
            .unwrap();
        assert_eq!(request.text(), "abc0123456789");
        assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    #[test]
    fn nonsense_is_an_error_and_silence_is_the_end() {
        assert!(read("").unwrap().is_none());
        for bad in [
            "GET\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "GET / HT",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
