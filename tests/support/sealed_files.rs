//! Files that look like sealed secrets. No key opens them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// A public key that such a file may name as its recipient.
pub(crate) const RECIPIENT: &str = "age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms";

/// Returns a file for one recipient that does not state a place, as earlier versions sealed it.
pub(crate) fn without_place() -> Vec<u8> {
    with_stanza("")
}

/// Returns a file for one recipient that states its place.
pub(crate) fn sealed_for(place: &str) -> Vec<u8> {
    let recipients = STANDARD_NO_PAD.encode(format!("{RECIPIENT}\n"));
    let (first, second) = recipients.split_at(64);
    with_stanza(&format!("-> relay-bundle-address-grease {place}\n{first}\n{second}\n"))
}

fn with_stanza(stanza: &str) -> Vec<u8> {
    let key = STANDARD_NO_PAD.encode([7; 32]);
    let header = format!("age-encryption.org/v1\n-> X25519 {key}\n{key}\n{stanza}--- {key}\n");
    // A nonce, a frame and a tag.
    [header.as_bytes(), &[7; 16 + 512 + 16]].concat()
}
