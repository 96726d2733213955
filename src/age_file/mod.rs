//! The outside of a file that age encrypted: everything that can be read without a key.
//!
//! `build`, the gate and `secrets check` judge sealed files here, so that a file that fails where
//! the bundle is applied is refused before. Nothing here is proof: only a private key shows whether
//! a header was altered. Pure, and without the crate `age`: programs that were built without it
//! judge sealed files too.

mod address;
mod armour;
mod form;
mod place;

pub use address::{ADDRESS_STANZA, Address};
pub use armour::{ARMOUR_BEGIN, armoured};
pub use form::{Form, FormError, MAGIC_BEGIN, Stated};
pub use place::{InvalidPlace, Place};

/// The greatest number of recipients of one file.
pub const RECIPIENTS_MAX: usize = 16;

/// The greatest length of a sealed file.
pub const SEALED_BYTES_MAX: usize = 64 << 10;

/// The greatest length of a secret's value.
pub const VALUE_BYTES_MAX: usize = 8 << 10;

/// The first line of the frame that is encrypted.
pub const FRAME_MAGIC: &str = "relay-bundle/sealed/v1";

/// The length of a frame is a multiple of this.
pub const PADDING: usize = 512;

/// The greatest length of a frame.
pub const FRAME_BYTES_MAX: usize =
    (FRAME_MAGIC.len() + 1 + Place::BYTES_MAX + 1 + "8192\n".len() + VALUE_BYTES_MAX)
        .next_multiple_of(PADDING);
