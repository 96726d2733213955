//! Faults of requests.

use std::time::Duration;

/// A fault to inject into a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    None,
    /// The server closes the connection.
    Cut(When),
    /// The server sends this answer, with a header, without handling the request.
    Answer(u16, &'static str, String),
    /// The server handles the request, and answers after this time.
    Stall(Duration),
    /// The server kills the program that the test runs.
    Kill(When),
}

/// The moment of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The server has not handled the request.
    Before,
    /// The server has handled the request.
    After,
}

/// A recorded request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The position among all requests since the script was set, from 1.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
}

impl Seen {
    /// Returns whether the request may change stored data.
    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET"
            && !self.path.contains("dryRun=All")
            && !self.path.ends_with("accessreviews")
    }

    /// Returns whether the request has this method and leads to this resource and name.
    pub(crate) fn is(&self, method: &str, end: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        self.method == method && path.ends_with(end)
    }
}
