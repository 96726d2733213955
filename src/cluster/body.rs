//! Reads the body of an answer up to a size limit, and overwrites it when dropped, because it may
//! be a Secret.

use http_body_util::BodyExt as _;
use kube::client::Body;
use zeroize::{Zeroize as _, Zeroizing};

/// The limit for an answer about one object: ten times what an API server stores by default.
pub(super) const OBJECT_BYTES_MAX: usize = 16 << 20;

/// The limit for a list: some thousand pods with all their metadata.
pub(super) const LIST_BYTES_MAX: usize = 64 << 20;

/// Why a body could not be read.
pub(super) enum Lost {
    /// The body has more than this number of bytes.
    TooLarge(usize),
    /// The connection failed.
    Cut(kube::Error),
}

/// Returns the whole body if it has at most `bytes_max` bytes.
pub(super) async fn receive(mut body: Body, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Lost> {
    let mut whole = Zeroizing::new(Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(Lost::Cut)?.into_data() else { continue };
        if piece.len() > bytes_max - whole.len() {
            return Err(Lost::TooLarge(bytes_max));
        }
        append(&mut whole, &piece);
        // Possible only if the buffer is not shared.
        if let Ok(mut piece) = piece.try_into_mut() {
            piece.as_mut().zeroize();
        }
    }
    Ok(whole)
}

/// Appends a piece, and overwrites the old buffer when it grows: `Vec` would leave its content
/// behind.
fn append(whole: &mut Zeroizing<Vec<u8>>, piece: &[u8]) {
    let length = whole.len() + piece.len();
    if length > whole.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.max(2 * whole.len())));
        larger.extend_from_slice(whole);
        *whole = larger;
    }
    whole.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_read_whole_up_to_limit_and_refused_beyond() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let received = |length: usize| {
            let body = Body::from(vec![7; length]);
            match runtime.block_on(receive(body, 1_000)) {
                Ok(whole) => whole.len(),
                Err(Lost::TooLarge(bytes_max)) => panic!("more than {bytes_max}"),
                Err(Lost::Cut(error)) => panic!("{error}"),
            }
        };
        for length in [0, 1, 1_000] {
            assert_eq!(received(length), length);
        }
        let body = Body::from(vec![7; 1_001]);
        assert!(matches!(runtime.block_on(receive(body, 1_000)), Err(Lost::TooLarge(1_000))));
    }

    #[test]
    fn pieces_are_put_together_in_their_order() {
        let mut whole = Zeroizing::new(Vec::new());
        for number in 0..=255 {
            append(&mut whole, &[number; 3]);
        }
        let wanted: Vec<u8> = (0..=255).flat_map(|number| [number; 3]).collect();
        assert_eq!(*whole, wanted);
    }
}
