//! Shows the progress of long work on one line of a terminal's stderr.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use super::printer::Printer;
use crate::model::size::size;

/// Work that ends earlier shows nothing.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// The interval between updates of the line.
const SHOWN_FOR: Duration = Duration::from_millis(200);

/// The progress of some work; dropping it removes the line.
#[derive(Debug)]
pub struct Progress {
    watched: bool,
    verb: &'static str,
    total: Option<u64>,
    done: u64,
    started: Instant,
    /// The time when the line was last written; absent before the first time.
    shown: Option<Instant>,
}

impl Progress {
    /// Begins work on `total` bytes; `None` if the size is unknown.
    pub fn new(printer: &Printer, verb: &'static str, total: Option<u64>) -> Self {
        Self {
            watched: printer.is_watched(),
            verb,
            total,
            done: 0,
            started: Instant::now(),
            shown: None,
        }
    }

    /// Adds bytes that are done.
    pub fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if !self.watched {
            return;
        }
        let now = Instant::now();
        let due = self.shown.map_or(self.started + SHOWN_AFTER, |shown| shown + SHOWN_FOR);
        if now < due {
            return;
        }
        self.shown = Some(now);
        // A closed stderr is not an error.
        write!(io::stderr(), "\r\x1b[K{}", self.line(now - self.started)).ok();
    }

    /// Subtracts bytes that must be done again.
    pub fn retreat(&mut self, bytes: u64) {
        self.done = self.done.saturating_sub(bytes);
    }

    fn line(&self, elapsed: Duration) -> String {
        let of_total = self.total.map_or_else(String::new, |total| format!(" of {}", size(total)));
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = self.done.saturating_mul(1000) / millis;
        let left = self.total.and_then(|total| total.saturating_sub(self.done).checked_div(rate));
        let left = left.map_or_else(String::new, |seconds| {
            format!(", {}:{:02} left", seconds / 60, seconds % 60)
        });
        format!("{} {}{of_total}, {}/s{left}", self.verb, size(self.done), size(rate))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
}

/// Returns how far a series of steps is: "(3 of 9, 42 s)".
pub fn counted(number: usize, of: usize, elapsed: Duration) -> String {
    format!("({number} of {of}, {} s)", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_line_shows_done_total_and_rate() {
        let printer = Printer::new(false, true, super::super::printer::ColorChoice::Never);
        let mut progress = Progress::new(&printer, "joined", Some(4_000_000_000));
        progress.advance(3_000_000_000);

        assert_eq!(
            progress.line(Duration::from_secs(2)),
            "joined 3.0 GB of 4.0 GB, 1.5 GB/s, 0:00 left"
        );
        assert_eq!(progress.shown, None);
    }
}
