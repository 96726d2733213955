//! The system clock. Everything below `cmd` gets the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;
use crate::model::timestamp::Timestamp;

/// Returns the system time.
///
/// # Errors
///
/// When the clock shows a time before 1970 or after 9998.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the clock")]
pub(super) fn now() -> Result<Timestamp, Failure> {
    let wrong = || {
        Failure::world("the system's clock shows no time from 1970 to 9998")
            .hint("set the clock, with `date`")
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
    Timestamp::from_seconds(since.as_secs()).map_err(|_| wrong())
}
