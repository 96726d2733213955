//! Failures of archives and parts, with their remedies.

use std::io;

use super::archive::WriteError;
use super::parts::{PartFault, PartsError, SplitError};
use crate::failure::{Failure, refused};
use crate::fsio::{ReadFileError, remedy};

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Source(error) => error.into(),
            WriteError::Output(ref cause) => {
                let hint = remedy(cause);
                let failure = Self::world(error);
                hint.into_iter().fold(failure, Self::hint)
            }
            WriteError::Limit(_) => Self::input(error),
        }
    }
}

impl From<PartsError> for Failure {
    fn from(error: PartsError) -> Self {
        match error {
            PartsError::Io(error) | PartsError::IndexFile(ReadFileError::Io(error))
                if error.kind() != io::ErrorKind::NotFound =>
            {
                error.into()
            }
            PartsError::Bad { ref bad, .. } => {
                let failure = match bad.iter().find_map(|bad| code_of(&bad.fault)) {
                    Some(code) => refused::untrusted(code, error),
                    None => refused::unread(Self::world(error)),
                };
                failure
                    .hint("copy the bad parts again, to the same folder; keep the good ones")
                    .hint(
                        "or pass a part copied to another folder to `verify` or `join`: --part \
                         FILE",
                    )
            }
            PartsError::Index { .. } => refused::untrusted("BAD_FORM", error),
            PartsError::Whole { .. } => refused::untrusted("TAMPERED", error),
            PartsError::Io(_)
            | PartsError::IndexFile(_)
            | PartsError::NoIndex { .. }
            | PartsError::NotAPart { .. } => Self::input(error),
        }
    }
}

impl From<SplitError> for Failure {
    fn from(error: SplitError) -> Self {
        match error {
            SplitError::Io(error) | SplitError::File(ReadFileError::Io(error)) => {
                match error.kind() {
                    io::ErrorKind::NotFound => Self::input(error),
                    _ => error.into(),
                }
            }
            SplitError::Shrank { .. } => Self::world(error),
            SplitError::InTheWay { .. } => {
                Self::input(error).hint("remove it, or choose another folder with `--out DIR`")
            }
            SplitError::Invalid { .. } | SplitError::File(_) => Self::input(error),
        }
    }
}

/// Returns the refusal code for a part that differs from the index, or `None` if reading it failed
/// and its content is unknown.
fn code_of(fault: &PartFault) -> Option<&'static str> {
    match fault {
        PartFault::Missing => Some("MISSING_FILE"),
        PartFault::NotRegular => Some("BAD_FORM"),
        PartFault::Size { wanted, found } if found < wanted => Some("TRUNCATED"),
        PartFault::Size { .. } | PartFault::Altered { .. } => Some("TAMPERED"),
        PartFault::Io(_) => None,
    }
}
