//! Why a store operation fails.

use std::io;

use camino::Utf8PathBuf;

use super::entry::{EntryName, InvalidName};
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::limits::LimitExceeded;
use crate::fsio;

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("`{reference}` is not in the store `{store}`")]
    NotFound { reference: String, store: Utf8PathBuf },
    #[error("`{reference}` is ambiguous: {}", entries.join(", "))]
    Ambiguous { reference: String, entries: Vec<String> },
    #[error("the link `{link}` does not point to an entry of the store")]
    BadLink { link: Utf8PathBuf },
    #[error("`{path}` exists, and is not a link")]
    NotALink { path: Utf8PathBuf },
    #[error("`{path}` exists, and is not {wanted}")]
    InTheWay { path: Utf8PathBuf, wanted: &'static str },
    #[error("store entry `{entry}`: {error}")]
    Read { entry: EntryName, error: Box<ReadError> },
    #[error("store entry `{entry}`: {why}")]
    Images { entry: EntryName, why: String },
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StoreError {
    /// Returns a remedy for the user, if one is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Io(error) => fsio::remedy(error),
            Self::Read { error, .. } => match &error.fault {
                Fault::Io(error) => fsio::remedy(error),
                _ => Some("build the profile again to replace the altered entry"),
            },
            Self::NotALink { .. } | Self::InTheWay { .. } => Some("move it away"),
            Self::BadLink { .. } => Some("build the profile again, or remove the link"),
            Self::Ambiguous { .. } => Some("pass more digits"),
            Self::Name(_) | Self::NotFound { .. } | Self::Images { .. } | Self::Limit(_) => None,
        }
    }
}
