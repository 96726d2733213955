//! Signals that ask to stop. They are noticed while a call or a pause is under way, which is where
//! time goes.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a write that is under way is waited for by somebody who has asked to stop.
const FINISH_MAX: Duration = Duration::from_secs(10);

/// The signals since somebody began to heed them.
pub(super) struct Signals {
    streams: [Signal; 2],
    seen: u32,
    /// How many it takes to stop.
    enough: u32,
}

impl Signals {
    /// From now on SIGINT and SIGTERM do not end the process but are counted.
    pub(super) fn heed() -> io::Result<Self> {
        let streams = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        Ok(Self { streams, seen: 0, enough: 1 })
    }

    /// Whether the first signal stops what is done, or only the second: when stopping is what is
    /// being done.
    pub(super) fn takes(&mut self, enough: u32) {
        self.enough = enough;
    }

    /// Counts what has come; the task is woken by what comes next.
    fn count(&mut self, context: &mut Context<'_>) {
        for stream in &mut self.streams {
            while stream.poll_recv(context).is_ready() {
                self.seen += 1;
            }
        }
    }

    /// Returns whether to stop as soon as that is clean.
    fn is_asked(&self) -> bool {
        self.seen >= self.enough
    }

    /// Returns whether to stop at once: somebody who was not heard asks again.
    fn is_urged(&self) -> bool {
        self.seen > self.enough
    }
}

/// How a piece of work takes it when it is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing is lost when it is dropped.
    Drop,
    /// It is let finish for [`FINISH_MAX`], unless somebody asks twice: half done is worse than
    /// done.
    Finish,
}

/// Works until done; none when signals stopped it.
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
