//! Sealed secrets: one value per file, encrypted with age to the operators who may apply it, and
//! bound to one key of one Secret. `docs/format/sealed-secrets.md` specifies the format.
//!
//! `frame` binds a value to its place, `cipher` encrypts and decrypts it, and `recovery` is a copy
//! of whole Secrets. `crate::age_file` checks a file without a key. Only this folder uses the crate
//! `age`, which takes its randomness from the system: no pure layer may use it. Values stay in
//! memory and are overwritten there, and no error quotes a part of one.

mod cipher;
mod frame;
mod identity;
mod recipient;
mod recovery;
mod value;

pub use cipher::{OpenError, open, seal};
pub use frame::FrameError;
pub use identity::{IDENTITIES_BYTES_MAX, Identities, InvalidIdentities, NewIdentity};
pub use recipient::{EXAMPLE_RECIPIENT, InvalidRecipient, Recipients};
pub use recovery::{RECOVERY_BYTES_MAX, Recovery, RecoveryError, Saved};
pub use value::{InvalidValue, SecretBytes};
