//! age's armour: a text encoding that survives mail and git.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The first line of an armoured file.
pub const ARMOUR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const ARMOUR_END: &str = "-----END AGE ENCRYPTED FILE-----";
const COLUMNS: usize = 64;

/// Returns the armoured file, in the spelling that age itself writes.
pub fn armoured(binary: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(binary).into_bytes();
    let mut armour = format!("{ARMOUR_BEGIN}\n").into_bytes();
    for line in text.chunks(COLUMNS) {
        armour.extend_from_slice(line);
        armour.push(b'\n');
    }
    armour.extend_from_slice(format!("{ARMOUR_END}\n").as_bytes());
    armour
}

/// Decodes an armoured file; returns `None` unless it has exactly age's spelling. Lenient decoders
/// differ in what they accept.
pub(super) fn without_armour(file: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = file
        .strip_prefix(ARMOUR_BEGIN.as_bytes())?
        .strip_suffix(format!("{ARMOUR_END}\n").as_bytes())?
        .iter()
        .copied()
        .filter(|byte| *byte != b'\n')
        .collect();
    let binary = STANDARD.decode(text).ok()?;
    (armoured(&binary) == file).then_some(binary)
}
