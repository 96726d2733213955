//! Creates Secrets: generates values once and never again, and writes the sealed values of a
//! bundle. No value is ever shown.
//!
//! `live_secrets` reads the live Secrets, `generated_values` plans missing values, `sealed_values` plans the bundle's
//! sealed values, `encryption_key` refuses to replace the encryption key, and `plan` joins them.
//! `keeper` saves encrypted copies of generated values in a `recovery_file` before `creation` writes
//! them; `backup` copies those of an installation. `error` and `encryption_key_error` have the
//! reasons to refuse.

mod annotations;
pub mod backup;
mod context;
mod creation;
mod encryption_key;
mod encryption_key_error;
mod error;
mod generated_values;
mod keeper;
mod live_secrets;
mod opening;
mod plan;
mod planned_secret;
pub mod recovery_file;
pub mod restore;
mod sealed_values;

pub use annotations::{GENERATIONS, SEALED, note_generations};
pub use context::{Coming, Consent, NONE_COMING, Random, SecretContext, SecretSources};
pub use live_secrets::{check_noted, seen};
pub use opening::{Opened, open};
pub use plan::{SecretPlan, survey};
pub use recovery_file::RecoveryPlace;
