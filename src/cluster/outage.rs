//! Notices when the API server does not answer, while its request is still retried.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::error::CallError;

/// The silence after which an operator is told. An API server answers most requests in less than a
/// second.
const FIRST_ANSWER: Duration = Duration::from_secs(2);
/// The same for a server that has answered before: dry runs and webhooks can take seconds.
const NEXT_ANSWER: Duration = Duration::from_secs(10);

/// An API server that does not answer, although the request is still retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The server, and its context in the kubeconfig.
    pub server: String,
    /// Why the last attempt failed; `None` while the first one waits.
    pub why: Option<String>,
}

/// Receives each outage once.
pub type OutageObserver = dyn Fn(&Outage) + Send + Sync;

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "requests to {} fail: {why}; retrying", self.server),
            None => write!(f, "no answer yet from {}; still trying", self.server),
        }
    }
}

/// Watches all requests to a server.
#[derive(Clone)]
pub(super) struct OutageWatch {
    server: String,
    observe: Arc<OutageObserver>,
    /// The longest silence before the first answer, and before later ones.
    limits: [Duration; 2],
    /// Whether the server has answered a request.
    has_answered: Arc<AtomicBool>,
    /// Whether the current outage was told: parallel requests share it.
    is_told: Arc<AtomicBool>,
}

impl OutageWatch {
    pub(super) fn new(server: String, observe: Arc<OutageObserver>) -> Self {
        let limits = [FIRST_ANSWER, NEXT_ANSWER];
        Self { server, observe, limits, has_answered: Arc::default(), is_told: Arc::default() }
    }

    /// Notes an answer, which ends an outage.
    fn answered(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
        self.is_told.store(false, Ordering::Relaxed);
    }

    fn limit(&self) -> Duration {
        self.limits[usize::from(self.has_answered.load(Ordering::Relaxed))]
    }

    fn tell(&self, why: Option<String>) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            (self.observe)(&Outage { server: self.server.clone(), why });
        }
    }
}

/// The silence since a request was first sent.
pub(super) struct Silence<'a> {
    watch: Option<&'a OutageWatch>,
    since: Instant,
    why: Option<String>,
}

impl<'a> Silence<'a> {
    pub(super) fn begin(watch: Option<&'a OutageWatch>) -> Self {
        Self { watch, since: Instant::now(), why: None }
    }

    /// Notes an answer.
    pub(super) fn answered(&self) {
        self.watch.iter().for_each(|watch| watch.answered());
    }

    /// Notes why an attempt failed.
    pub(super) fn failed(&mut self, error: &CallError) {
        self.why = Some(match error {
            CallError::Transport(why) => why.clone(),
            error => error.to_string(),
        });
    }

    /// Runs a step of the request. Tells the outage if the silence becomes too long.
    pub(super) async fn during<T>(&self, step: impl Future<Output = T>) -> T {
        let Some(watch) = self.watch else { return step.await };
        let mut step = pin!(step);
        if let Ok(done) = tokio::time::timeout_at(self.since + watch.limit(), &mut step).await {
            return done;
        }
        watch.tell(self.why.clone());
        step.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(10);

    /// Runs a request whose first attempt and pause take this long, and returns the notices.
    fn told(has_answered: bool, [attempt, pause]: [Duration; 2]) -> Vec<String> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        let observe = move |outage: &Outage| kept.lock().unwrap().push(outage.to_string());
        let mut watch = OutageWatch::new("https://x".to_owned(), Arc::new(observe));
        watch.limits = [SHORT, LONG];
        if has_answered {
            watch.answered();
        }
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(async {
            let mut silence = Silence::begin(Some(&watch));
            silence.during(tokio::time::sleep(attempt)).await;
            silence.failed(&CallError::Transport("refused".to_owned()));
            silence.during(tokio::time::sleep(pause)).await;
        });
        told.lock().unwrap().clone()
    }

    #[test]
    fn silent_server_is_told_once_with_last_failure() {
        let (none, much) = (Duration::ZERO, 5 * SHORT);
        let failed = "requests to https://x fail: refused; retrying".to_owned();

        assert_eq!(told(false, [none, none]), [""; 0]);
        assert_eq!(told(false, [none, much]), [failed]);
        assert_eq!(told(false, [much, much]), ["no answer yet from https://x; still trying"]);
    }

    #[test]
    fn server_that_answered_before_has_more_time() {
        assert_eq!(told(true, [5 * SHORT, 5 * SHORT]), [""; 0]);
    }
}
