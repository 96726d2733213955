//! The archive: a bundle as one file.
