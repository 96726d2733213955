//! Vocabulary: values that are checked once, when they are made. Pure, no I/O.

pub mod digest;
pub mod safe_path;
