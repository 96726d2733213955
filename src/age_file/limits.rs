//! The limits of sealed files and of the frames in them.

use super::place::SealedPlace;

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
    (FRAME_MAGIC.len() + 1 + SealedPlace::BYTES_MAX + 1 + "8192\n".len() + VALUE_BYTES_MAX)
        .next_multiple_of(PADDING);
