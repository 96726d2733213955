//! The answers of a stub, also those that a registry should not give.

use std::io::{self, Write};
use std::time::Duration;

/// An answer of the server.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

/// The end of an answer.
enum End {
    Whole,
    /// The connection ends after this many bytes of the body.
    CutAfter(usize),
    /// The body repeats endlessly, without an announced length.
    Endless,
    /// The server sends no more data, and keeps the connection open.
    Silent,
    /// The server sends only the body: no status, no headers.
    Bare,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), end: End::Whole }
    }

    pub(crate) fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body).header("Content-Type", media_type)
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, "moved").header("Location", location)
    }

    pub(crate) fn challenge(challenge: &str) -> Self {
        Self::new(401, "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"who are you\"}]}")
            .header("WWW-Authenticate", challenge)
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn cut_after(self, bytes: usize) -> Self {
        Self { end: End::CutAfter(bytes), ..self }
    }

    pub(crate) fn endless(self) -> Self {
        Self { end: End::Endless, ..self }
    }

    pub(crate) fn silent(self) -> Self {
        Self { end: End::Silent, ..self }
    }

    pub(crate) fn bare(self) -> Self {
        Self { end: End::Bare, ..self }
    }

    pub(crate) fn body_len(&self) -> usize {
        self.body.len()
    }

    pub(super) fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        if !matches!(self.end, End::Bare) {
            self.write_head(stream)?;
        }
        match self.end {
            End::Whole | End::Bare => stream.write_all(&self.body)?,
            End::CutAfter(bytes) => stream.write_all(&self.body[..bytes])?,
            End::Endless => loop {
                stream.write_all(&self.body)?;
            },
            End::Silent => {
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(5));
            }
        }
        stream.flush()
    }

    fn write_head(&self, stream: &mut impl Write) -> io::Result<()> {
        write!(stream, "HTTP/1.1 {} Stub\r\nConnection: close\r\n", self.status)?;
        let is_sized = self.headers.iter().any(|(name, _)| name == "Transfer-Encoding");
        if !is_sized && !matches!(self.end, End::Endless) {
            write!(stream, "Content-Length: {}\r\n", self.body.len())?;
        }
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")
    }
}
