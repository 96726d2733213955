//! The body of a request.

use std::io::{self, Read};

use super::error::RegistryFault;
use super::transport::HttpBody;

/// The body of a call.
pub(super) enum CallBody<'a, 'b> {
    None,
    /// Can be sent repeatedly.
    Bytes(&'a [u8]),
    /// Can be read only once.
    Stream(&'a mut UploadBody<'b>),
}

/// A blob that is too large for memory; yields exactly the announced number of bytes.
pub(super) struct UploadBody<'a> {
    content: &'a mut dyn Read,
    size: u64,
    read: u64,
    /// The error of the content, kept to tell it from a network failure.
    failure: Option<io::Error>,
}

impl CallBody<'_, '_> {
    /// Returns whether the body cannot be sent again.
    pub(super) fn is_spent(&self) -> bool {
        matches!(self, Self::Stream(body) if body.is_begun())
    }

    pub(super) fn as_http(&mut self) -> HttpBody<'_> {
        match self {
            Self::None => HttpBody::Empty,
            Self::Bytes(bytes) => HttpBody::Bytes(bytes),
            Self::Stream(body) => HttpBody::Stream(&mut **body),
        }
    }
}

impl<'a> UploadBody<'a> {
    pub(super) fn new(content: &'a mut dyn Read, size: u64) -> Self {
        Self { content, size, read: 0, failure: None }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn is_begun(&self) -> bool {
        self.read > 0 || self.failure.is_some()
    }

    /// Returns the error of the content, if reading it failed.
    pub(super) fn take_failure(&mut self) -> Option<RegistryFault> {
        self.failure.take().map(RegistryFault::Source)
    }
}

impl Read for UploadBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.read).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = match self.content.read(&mut buffer[..wanted]) {
            // Without this error, the client would wait for the rest forever.
            Ok(0) if wanted > 0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            read => read,
        };
        read.inspect(|read| self.read += *read as u64).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failure = Some(error);
            }
            kind.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_content_is_failure() {
        let mut content = &b"abc"[..];
        let mut body = UploadBody::new(&mut content, 4);
        let error = io::copy(&mut body, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(matches!(body.take_failure(), Some(RegistryFault::Source(_))));
    }

    #[test]
    fn longer_content_is_read_to_announced_size() {
        let mut content = &b"abc"[..];
        let mut body = UploadBody::new(&mut content, 2);
        assert!(!body.is_begun());
        assert_eq!(io::copy(&mut body, &mut io::sink()).unwrap(), 2);
        assert!(body.is_begun() && body.take_failure().is_none());
    }
}
