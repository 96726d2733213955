//! Seals secret values into the files of profiles, and checks sealed files. `sealed` does the
//! encryption.

pub mod check;
pub mod recipients;
pub mod seal;
