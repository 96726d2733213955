//! Sealed secrets: one value a file, encrypted with age to whoever may apply it, and bound to the
//! one key of the one Secret that it is for. The format is `docs/format/sealed-secrets.md`.
//!
//! `frame` binds a value to its place; `cipher` puts age around that, and takes it off; `recovery`
//! is a copy of whole Secrets. `crate::age_file` judges a file without a key. This folder alone
//! names the crate `age`, which takes its randomness from the system: no pure layer uses it. Values
//! are in memory only, are overwritten there, and no error repeats a part of one.

mod cipher;
mod frame;
mod identity;
mod recipient;
mod recovery;
mod value;

pub use cipher::{OpenError, open, seal};
pub use frame::FrameError;
pub use identity::{IDENTITIES_BYTES_MAX, Identities, InvalidIdentities, NewIdentity};
pub use recipient::{InvalidRecipient, Recipients};
pub use recovery::{RECOVERY_BYTES_MAX, Recovery, RecoveryError, Saved};
pub use value::{InvalidValue, SecretBytes};
