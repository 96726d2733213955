//! Shows the progress of a transfer.

use crate::transfer::meter::Meter;
use crate::ui::progress::Progress;

impl Meter for Progress {
    fn advance(&mut self, bytes: u64) {
        Self::advance(self, bytes);
    }

    fn retreat(&mut self, bytes: u64) {
        Self::retreat(self, bytes);
    }
}
