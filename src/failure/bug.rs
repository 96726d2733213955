//! Turns a panic into a bug report on a few lines, without a backtrace.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use super::Failure;

/// Message and place of the last panic: the hook sees the place, the catcher does not.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Runs `act`, and turns a panic into a failure that asks for a report.
///
/// # Errors
///
/// When `act` panicked.
pub fn catch<T>(act: impl FnOnce() -> T) -> Result<T, Failure> {
    panic::set_hook(Box::new(|info| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = describe(info);
    }));
    // The process ends after a panic, so it never uses state that `act` left half changed.
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    drop(panic::take_hook());
    result.map_err(|_| {
        let what = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Failure::bug(format!("this is a bug in relay-bundle {}: {what}", env!("CARGO_PKG_VERSION")))
            .hint(
                "report it with this message, the command line, and the profile without its \
                 secrets",
            )
    })
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or("it panicked");
    match info.location() {
        Some(place) => format!("{what} ({}:{})", place.file(), place.line()),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn panic_becomes_failure_that_asks_for_report() {
        let numbers: Vec<u8> = Vec::new();

        let failure = catch(|| numbers[std::hint::black_box(3)]).unwrap_err();

        assert_eq!(failure.kind, FailureKind::Bug);
        let message = failure.message();
        assert!(message.starts_with("this is a bug in relay-bundle "), "{message}");
        assert!(
            message.contains("index out of bounds") && message.contains("bug.rs:"),
            "{message}"
        );
        assert!(failure.hints[0].starts_with("report it"));
    }

    #[test]
    fn result_without_panic_is_returned() {
        assert_eq!(catch(|| 5).ok(), Some(5));
    }
}
