//! `--archive`: a bundle of the store as one file.
