//! Retries: which failures are temporary, and how long to wait after them.

use std::time::Duration;

use super::client::Registry;
use super::error::{RegistryFault, RequestFailure};
use super::settings::Persistence;

/// The maximum number of retries of a failed request.
const RETRIES_MAX: u32 = 5;
/// The pause after the first failure; each further one doubles it.
const DELAY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause without `Retry-After`.
const DELAY_MAX: Duration = Duration::from_secs(16);
/// The longest wait that `Retry-After` can cause: a rate limit may ask for hours.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// The maximum number of failures after which a manifest with a disputed digest is sent again.
const MISREADS_MAX: u32 = 2;

/// When to repeat a request: the pause after a number of failures, or `None` if the last one is
/// final.
pub(super) type RetryRule = fn(u32, &RegistryFault) -> Option<Duration>;

impl Registry {
    /// Repeats `once` until it succeeds or its failure is final.
    pub(super) fn persist<T>(
        &self,
        once: impl FnMut() -> Result<T, RequestFailure>,
    ) -> Result<T, RequestFailure> {
        self.persist_by(delay, once)
    }

    /// Same as [`Registry::persist`], with another rule for the failures that are final.
    pub(super) fn persist_by<T>(
        &self,
        rule: RetryRule,
        mut once: impl FnMut() -> Result<T, RequestFailure>,
    ) -> Result<T, RequestFailure> {
        let mut failures = 0;
        loop {
            match once() {
                Ok(done) => return Ok(done),
                Err(failure) => failures = self.wait_by(rule, failures, failure)?,
            }
        }
    }

    /// Waits before the next attempt and returns the number of failures so far, or returns a final
    /// failure at once.
    pub(super) fn wait(
        &self,
        failures: u32,
        failure: RequestFailure,
    ) -> Result<u32, RequestFailure> {
        self.wait_by(delay, failures, failure)
    }

    fn wait_by(
        &self,
        rule: RetryRule,
        failures: u32,
        failure: RequestFailure,
    ) -> Result<u32, RequestFailure> {
        let failures = failures + 1;
        match rule(failures, &failure.why).filter(|_| self.persistence == Persistence::Retry) {
            None => Err(failure),
            Some(delay) => {
                self.pause(delay);
                Ok(failures)
            }
        }
    }

    pub(super) fn pause(&self, delay: Duration) {
        (self.sleep)(delay);
    }
}

/// Returns the pause before the next attempt after `failures` failures, or `None` if the last one
/// is final.
pub(super) fn delay(failures: u32, why: &RegistryFault) -> Option<Duration> {
    if failures > RETRIES_MAX {
        return None;
    }
    let backoff = DELAY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(4)).min(DELAY_MAX);
    match why {
        RegistryFault::Connection(_) | RegistryFault::Silent { .. } => Some(backoff),
        // A resolver may be overloaded once; a misspelt name keeps failing.
        RegistryFault::UnknownHost => (failures == 1).then_some(backoff),
        RegistryFault::Status { code: 408 | 429 | 500..=599, retry_after, .. } => {
            Some(retry_after.map_or(backoff, |asked| asked.min(RETRY_AFTER_MAX)))
        }
        _ => None,
    }
}

/// Same as [`delay`], for a manifest that is pushed.
///
/// While another push writes the same blobs, a registry may read files of its own that are half
/// written, and then disputes the digest of the manifest in the request, which is right.
pub(super) fn delay_of_manifest(failures: u32, why: &RegistryFault) -> Option<Duration> {
    match why {
        RegistryFault::Status { code: 400, error, .. } if error.is("DIGEST_INVALID") => {
            (failures <= MISREADS_MAX).then_some(DELAY_FIRST)
        }
        _ => delay(failures, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::error::ReportedError;
    use crate::registry::reply::retry_after;

    fn status(code: u16, retry_after: Option<u64>) -> RegistryFault {
        RegistryFault::Status {
            code,
            retry_after: retry_after.map(Duration::from_secs),
            error: ReportedError::default(),
        }
    }

    #[test]
    fn passing_failure_is_retried_five_times_with_growing_delays() {
        for why in [
            RegistryFault::Connection("reset".to_owned()),
            status(429, None),
            status(408, None),
            status(503, None),
        ] {
            let delays: Vec<u64> = (1..)
                .map_while(|failures| delay(failures, &why))
                .map(|delay| delay.as_secs())
                .collect();
            assert_eq!(delays, [1, 2, 4, 8, 16], "{why:?}");
        }
    }

    #[test]
    fn final_status_is_not_retried() {
        for code in [400, 401, 403, 404, 405, 416] {
            assert_eq!(delay(1, &status(code, Some(1))), None, "{code}");
        }
        assert_eq!(delay(1, &RegistryFault::UnknownAuthority), None);
        assert_eq!(delay(2, &RegistryFault::UnknownHost), None);
    }

    #[test]
    fn retry_after_is_heeded_within_bounds() {
        let waited =
            |header| delay(1, &status(429, retry_after(Some(header)).map(|asked| asked.as_secs())));
        assert_eq!(waited("7").map(|delay| delay.as_secs()), Some(7));
        assert_eq!(waited("0").map(|delay| delay.as_secs()), Some(0));
        assert_eq!(waited("86400").map(|delay| delay.as_secs()), Some(60));
        for header in ["", "-1", "1.5", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999999999999999"]
        {
            assert_eq!(waited(header).map(|delay| delay.as_secs()), Some(1), "{header}");
        }
    }
}
