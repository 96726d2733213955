//! Retries: repeats requests after temporary failures, and never after a refusal of the request
//! itself.

use std::time::Duration;

/// The maximum number of attempts for a request.
pub const ATTEMPTS_MAX: u32 = 7;

const DELAY_FIRST: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);
/// The longest wait that a server's `Retry-After` can cause.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The kind of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No complete answer: refused, reset, interrupted or too slow.
    Transport,
    /// The answer started but took too long. It is unlikely to become faster, so the request is
    /// repeated once at most.
    Slow,
    /// A retry would fail in the same way.
    Final,
    /// The server answered with an error.
    Status {
        code: u16,
        /// The value of the header.
        retry_after: Option<Duration>,
        /// An object changed while the server processed an apply, whose request has no version as a
        /// precondition.
        is_race: bool,
    },
}

/// Returns the pause before the next attempt, or `None` for no further attempt.
pub fn delay(attempt: u32, trouble: Trouble) -> Option<Duration> {
    if attempt >= ATTEMPTS_MAX {
        return None;
    }
    let backoff = DELAY_FIRST.saturating_mul(1 << attempt.min(10)).min(DELAY_MAX);
    match trouble {
        Trouble::Transport => Some(backoff),
        Trouble::Slow => (attempt == 1).then_some(backoff),
        Trouble::Status { code: 409, is_race, .. } => is_race.then_some(backoff),
        Trouble::Status { code: 429 | 500 | 502 | 503 | 504, retry_after, .. } => {
            Some(retry_after.map_or(backoff, |asked| asked.min(RETRY_AFTER_MAX)))
        }
        Trouble::Final | Trouble::Status { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Trouble {
        Trouble::Status { code, retry_after: None, is_race: false }
    }

    #[test]
    fn a_verdict_is_final_and_trouble_on_the_way_is_not() {
        for code in [400, 401, 403, 404, 405, 409, 410, 415, 422] {
            assert_eq!(delay(1, status(code)), None, "{code}");
        }
        for code in [429, 500, 502, 503, 504] {
            assert!(delay(1, status(code)).is_some(), "{code}");
        }
        assert!(delay(1, Trouble::Transport).is_some());
        assert!(delay(1, Trouble::Slow).is_some() && delay(2, Trouble::Slow).is_none());
        assert!(
            delay(1, Trouble::Status { code: 409, retry_after: None, is_race: true }).is_some()
        );
    }

    #[test]
    fn patience_grows_and_ends() {
        let delays: Vec<_> =
            (1..).map_while(|attempt| delay(attempt, Trouble::Transport)).collect();
        assert_eq!(delays.len(), ATTEMPTS_MAX as usize - 1);
        assert!(delays.is_sorted() && delays[5] <= DELAY_MAX);
    }

    #[test]
    fn a_server_may_ask_for_patience_within_reason() {
        let asks = |seconds| Trouble::Status {
            code: 429,
            retry_after: Some(Duration::from_secs(seconds)),
            is_race: false,
        };
        assert_eq!(delay(1, asks(2)), Some(Duration::from_secs(2)));
        assert_eq!(delay(1, asks(3600)), Some(RETRY_AFTER_MAX));
    }
}
