//! The parts of an age-encrypted file that are readable without a key.
//!
//! `build`, the verification gate and `secrets check` inspect sealed files here, so that a file
//! that would fail at apply time is rejected earlier. This proves nothing: only a private key
//! reveals a modified header. Pure, and independent of the `age` crate, which
//! takes randomness from the system.

mod address;
mod armour;
mod form;
mod place;

pub use address::{ADDRESS_STANZA, Address};
pub use armour::{ARMOUR_BEGIN, armoured};
pub use form::{Form, FormError, MAGIC_BEGIN, Stated};
pub use place::{InvalidPlace, Place};

/// The maximum number of recipients of a file.
pub const RECIPIENTS_MAX: usize = 16;

/// The maximum size of a sealed file.
pub const SEALED_BYTES_MAX: usize = 64 << 10;

/// The maximum length of a secret value.
pub const VALUE_BYTES_MAX: usize = 8 << 10;

/// The first line of the encrypted frame.
pub const FRAME_MAGIC: &str = "relay-bundle/sealed/v1";

/// Frames are padded to a multiple of this length.
pub const PADDING: usize = 512;

/// The maximum length of a frame.
pub const FRAME_BYTES_MAX: usize =
    (FRAME_MAGIC.len() + 1 + Place::BYTES_MAX + 1 + "8192\n".len() + VALUE_BYTES_MAX)
        .next_multiple_of(PADDING);
