//! An answer of a registry, as curl prints it.

/// An answer of a registry.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let (first, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
        let status =
            first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let headers = rest.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }
}
