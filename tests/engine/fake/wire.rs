//! Requests and answers as HTTP.

use std::io::{self, BufRead, Write};

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path with its query.
    pub(super) target: String,
    content_type: String,
    body: Vec<u8>,
}

impl Request {
    /// Reads a request; `None` at the end of the connection.
    pub(super) fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (mut length, mut content_type) = (0, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                // The client ended in the middle of a request.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                "content-type" => value.clone_into(&mut content_type),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        Ok(Some(Self { method, target, content_type, body }))
    }

    pub(super) fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Parses the body, which is JSON or YAML.
    pub(super) fn body(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|_| {
            serde_saphyr::from_slice(&self.body).expect("the program sends JSON or YAML")
        })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) code: u16,
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn json(code: u16, body: &Value) -> Self {
        Self::text(code, "application/json", body.to_string())
    }

    pub(super) fn text(code: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { code, headers: format!("content-type: {content_type}\r\n"), body: body.into() }
    }

    /// Returns the answer to a path that no API has.
    pub(super) fn not_served() -> Self {
        Self::text(404, "text/plain; charset=utf-8", "404 page not found\n")
    }

    pub(super) fn write(&self, mut stream: impl Write) -> io::Result<()> {
        let (code, headers, length) = (self.code, &self.headers, self.body.len());
        let head = format!("HTTP/1.1 {code} Fake\r\n{headers}content-length: {length}\r\n\r\n");
        // One write: the client must not wait for a second packet.
        stream.write_all(&[head.as_bytes(), &self.body].concat())
    }
}
