//! Retries: repeats requests after temporary failures, and never after a refusal of the request
//! itself.

use std::time::Duration;

/// How often a request is sent, and the time limit for each answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    attempts: u32,
    /// The limit for a whole answer, even if it keeps arriving slowly.
    pub(super) answer: Duration,
}

impl Patience {
    pub(super) const USUAL: Self = Self { attempts: 7, answer: Duration::from_secs(30) };
    /// While the user waits for the program to end.
    pub(super) const HURRIED: Self = Self { attempts: 2, answer: Duration::from_secs(5) };
}

const DELAY_FIRST: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);
/// The longest wait that a server's `Retry-After` can cause.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The kind of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestProblem {
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

impl Patience {
    /// Returns the pause before the next attempt, or `None` for no further attempt.
    pub(super) fn delay(self, attempt: u32, problem: RequestProblem) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let backoff = DELAY_FIRST.saturating_mul(1 << attempt.min(10)).min(DELAY_MAX);
        match problem {
            RequestProblem::Transport => Some(backoff),
            RequestProblem::Slow => (attempt == 1).then_some(backoff),
            RequestProblem::Status { code: 409, is_race, .. } => is_race.then_some(backoff),
            RequestProblem::Status { code: 429 | 500 | 502 | 503 | 504, retry_after, .. } => {
                Some(retry_after.map_or(backoff, |asked| asked.min(RETRY_AFTER_MAX)))
            }
            RequestProblem::Final | RequestProblem::Status { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Patience = Patience::USUAL;

    fn status(code: u16) -> RequestProblem {
        RequestProblem::Status { code, retry_after: None, is_race: false }
    }

    #[test]
    fn verdict_is_final_and_transient_failure_is_retried() {
        for code in [400, 401, 403, 404, 405, 409, 410, 415, 422] {
            assert_eq!(USUAL.delay(1, status(code)), None, "{code}");
        }
        for code in [429, 500, 502, 503, 504] {
            assert!(USUAL.delay(1, status(code)).is_some(), "{code}");
        }
        assert!(USUAL.delay(1, RequestProblem::Transport).is_some());
        assert!(
            USUAL.delay(1, RequestProblem::Slow).is_some()
                && USUAL.delay(2, RequestProblem::Slow).is_none()
        );
        assert!(
            USUAL
                .delay(1, RequestProblem::Status { code: 409, retry_after: None, is_race: true })
                .is_some()
        );
    }

    #[test]
    fn hurried_request_is_repeated_once() {
        assert!(Patience::HURRIED.delay(1, RequestProblem::Transport).is_some());
        assert_eq!(Patience::HURRIED.delay(2, RequestProblem::Transport), None);
    }

    #[test]
    fn patience_grows_and_ends() {
        let delays: Vec<_> =
            (1..).map_while(|attempt| USUAL.delay(attempt, RequestProblem::Transport)).collect();
        assert_eq!(delays.len(), USUAL.attempts as usize - 1);
        assert!(delays.is_sorted() && delays[5] <= DELAY_MAX);
    }

    #[test]
    fn retry_after_is_honored_up_to_maximum() {
        let asks = |seconds| RequestProblem::Status {
            code: 429,
            retry_after: Some(Duration::from_secs(seconds)),
            is_race: false,
        };
        assert_eq!(USUAL.delay(1, asks(2)), Some(Duration::from_secs(2)));
        assert_eq!(USUAL.delay(1, asks(3600)), Some(RETRY_AFTER_MAX));
    }
}
