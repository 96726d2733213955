//! Signals that ask to stop. They take effect during calls and pauses, which take up most of the
//! time.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a running write may continue after a signal asked to stop.
const FINISH_MAX: Duration = Duration::from_secs(10);

/// The signals since the handlers were installed.
pub(super) struct Signals {
    streams: [Signal; 2],
    seen: u32,
    /// The number of signals that stops the work.
    enough: u32,
}

impl Signals {
    /// Installs handlers that count SIGINT and SIGTERM, which then no longer end the process.
    pub(super) fn heed() -> io::Result<Self> {
        let streams = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        Ok(Self { streams, seen: 0, enough: 1 })
    }

    /// Sets the number of signals that stops the work: 2 while the program cleans up after the
    /// first one.
    pub(super) fn takes(&mut self, enough: u32) {
        self.enough = enough;
    }

    /// Counts the signals so far; the next one wakes the task.
    fn count(&mut self, context: &mut Context<'_>) {
        for stream in &mut self.streams {
            while stream.poll_recv(context).is_ready() {
                self.seen += 1;
            }
        }
    }

    /// Returns whether to stop as soon as possible without interrupting a write.
    fn is_asked(&self) -> bool {
        self.seen >= self.enough
    }

    /// Returns whether to stop immediately, because the user sent another signal.
    fn is_urged(&self) -> bool {
        self.seen > self.enough
    }
}

/// How to stop a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Drop it; nothing is lost.
    Drop,
    /// Let it finish for up to [`FINISH_MAX`], unless another signal arrives: an interrupted write
    /// is worse than a finished one.
    Finish,
}

/// Runs `work` to its end; returns `None` if signals stopped it.
pub(super) async fn unless_stopped<T>(
    signals: Option<&mut Signals>,
    manner: Manner,
    work: impl Future<Output = T>,
) -> Option<T> {
    let Some(signals) = signals else { return Some(work.await) };
    let mut work = pin!(work);
    let mut has_begun = false;
    let mut last = None;
    std::future::poll_fn(|context| {
        signals.count(context);
        let stops = match manner {
            Manner::Finish if has_begun => signals.is_urged(),
            Manner::Drop | Manner::Finish => signals.is_asked(),
        };
        if stops {
            return Poll::Ready(None);
        }
        if manner == Manner::Finish && signals.is_asked() {
            let last = last.get_or_insert_with(|| Box::pin(tokio::time::sleep(FINISH_MAX)));
            if last.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
        }
        has_begun = true;
        work.as_mut().poll(context).map(Some)
    })
    .await
}
