//! The parts of an age-encrypted file that are readable without a key.
//!
//! `build`, the verification gate and `secrets check` inspect sealed files here, so that a file
//! that would fail at apply time is rejected earlier. This proves nothing: only a private key
//! reveals a modified header. Pure, and independent of the `age` crate, which
//! takes randomness from the system.

mod address;
mod armour;
mod form;
mod limits;
mod place;

pub use address::{ADDRESS_STANZA, Address};
pub use armour::{ARMOUR_BEGIN, armoured};
pub use form::{Form, FormError, MAGIC_BEGIN, Stated};
pub use limits::{
    FRAME_BYTES_MAX, FRAME_MAGIC, PADDING, RECIPIENTS_MAX, SEALED_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use place::{InvalidPlace, SealedPlace};
