//! Damage to canonical texts that a careless reader would ignore.

use proptest::prelude::*;
use proptest::sample::Index;

/// One act of damage. Positions are taken modulo the number of candidates.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    SetByte {
        at: Index,
        to: u8,
    },
    FlipBit {
        at: Index,
        bit: u8,
    },
    /// Inserts a word after a character with a meaning in the text.
    InsertWord {
        at: Index,
        word: &'static str,
    },
    /// Replaces a letter, a digit or a space by a word.
    ReplaceWithWord {
        at: Index,
        word: &'static str,
    },
    Remove {
        at: Index,
        bytes: usize,
    },
    Repeat {
        at: Index,
        bytes: usize,
    },
    SwapLines {
        left: Index,
        right: Index,
    },
    RepeatLine {
        from: Index,
        to: Index,
    },
    SwapCase {
        at: Index,
        bytes: usize,
    },
    /// Writes a character of a JSON text as its escape.
    Escape {
        at: Index,
    },
    Truncate {
        at: Index,
    },
}

/// Makes edits that use these words.
pub(crate) fn edits(words: &'static [&'static str]) -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<Index>;
    let word = move || prop::sample::select(words);
    let edit = prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, to)| Edit::SetByte { at, to }),
        (at(), 0..8_u8).prop_map(|(at, bit)| Edit::FlipBit { at, bit }),
        (at(), word()).prop_map(|(at, word)| Edit::InsertWord { at, word }),
        (at(), word()).prop_map(|(at, word)| Edit::ReplaceWithWord { at, word }),
        (at(), 1..80_usize).prop_map(|(at, bytes)| Edit::Remove { at, bytes }),
        (at(), 1..80_usize).prop_map(|(at, bytes)| Edit::Repeat { at, bytes }),
        (at(), at()).prop_map(|(left, right)| Edit::SwapLines { left, right }),
        (at(), at()).prop_map(|(from, to)| Edit::RepeatLine { from, to }),
        (at(), 1..80_usize).prop_map(|(at, bytes)| Edit::SwapCase { at, bytes }),
        at().prop_map(|at| Edit::Escape { at }),
        at().prop_map(|at| Edit::Truncate { at }),
    ];
    prop::collection::vec(edit, 1..4)
}

/// Applies all edits in order.
pub(crate) fn apply(edits: &[Edit], text: &mut Vec<u8>) {
    for edit in edits {
        edit.apply(text);
    }
}

impl Edit {
    fn apply(&self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let end = text.len();
        let span = |at: &Index, bytes: usize| at.index(end)..(at.index(end) + bytes).min(end);
        match self {
            Self::SetByte { at, to } => text[at.index(end)] = *to,
            Self::FlipBit { at, bit } => text[at.index(end)] ^= 1 << bit,
            Self::InsertWord { at, word } => {
                let place = place_of(text, *at, |byte| !byte.is_ascii_alphanumeric()) + 1;
                text.splice(place..place, word.bytes());
            }
            Self::ReplaceWithWord { at, word } => {
                let place =
                    place_of(text, *at, |byte| byte.is_ascii_alphanumeric() || byte == b' ');
                text.splice(place..=place, word.bytes());
            }
            Self::Remove { at, bytes } => drop(text.drain(span(at, *bytes))),
            Self::Repeat { at, bytes } => {
                let part = text[span(at, *bytes)].to_vec();
                text.splice(at.index(end)..at.index(end), part);
            }
            Self::SwapLines { left, right } => edit_lines(text, |lines| {
                let count = lines.len();
                lines.swap(left.index(count), right.index(count));
            }),
            Self::RepeatLine { from, to } => edit_lines(text, |lines| {
                let count = lines.len();
                lines.insert(to.index(count), lines[from.index(count)].clone());
            }),
            Self::SwapCase { at, bytes } => {
                for byte in &mut text[span(at, *bytes)] {
                    *byte = if byte.is_ascii_uppercase() {
                        byte.to_ascii_lowercase()
                    } else {
                        byte.to_ascii_uppercase()
                    };
                }
            }
            Self::Escape { at } => {
                let place = place_of(text, *at, |byte| byte.is_ascii_alphanumeric());
                let escape = format!("\\u{:04x}", text[place]);
                text.splice(place..=place, escape.into_bytes());
            }
            Self::Truncate { at } => text.truncate(at.index(end)),
        }
    }
}

/// Returns the first such byte at or after a position, or the last byte.
fn place_of(text: &[u8], at: Index, wanted: impl Fn(u8) -> bool) -> usize {
    let start = at.index(text.len());
    text[start..]
        .iter()
        .position(|byte| wanted(*byte))
        .map_or(text.len() - 1, |found| start + found)
}

fn edit_lines(text: &mut Vec<u8>, edit: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut lines: Vec<Vec<u8>> =
        text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    edit(&mut lines);
    *text = lines.concat();
}
