//! Keys and trust policies in files. Other users can neither read the private ones, nor change the
//! public ones.

pub mod age_key;
pub mod passphrase_source;
pub mod policy_file;
mod private_file;
pub mod public_key;
pub mod signing_key;

pub use self::private_file::{read_file_or_pipe, read_opened};
