//! Reads the files of a valid archive, independently of the program.
//!
//! A test program that uses this module also declares `tar` of this folder at its root.

use std::ops::Range;

use crate::tar::{BLOCK, range};

/// A file of an archive: its header ends where its content starts, and its padding where the next
/// file starts.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) content: Range<usize>,
}

/// Returns the files of a valid archive, without its two final blocks.
pub(crate) fn records(archive: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = 0;
    while at + 2 * BLOCK < archive.len() {
        let text = |field| {
            let bytes = &archive[at..at + BLOCK][range(field)];
            String::from_utf8(bytes.iter().copied().take_while(|byte| *byte != 0).collect())
                .expect("ASCII")
        };
        let bytes = usize::from_str_radix(&text("size"), 8).expect("octal digits");
        let content = at + BLOCK..at + BLOCK + bytes;
        records.push(Record { name: text("name"), content });
        at = (at + BLOCK + bytes).next_multiple_of(BLOCK);
    }
    records
}
