//! A bundle in the record: its archive with the attestation, compressed, and in base64 as
//! ConfigMaps hold bytes.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::record::InvalidRecord;
use crate::bundle::limits::{
    ATTESTATION_BYTES_MAX, DOCUMENT_BYTES_MAX, MANIFESTS_BYTES_MAX, SUMS_BYTES_MAX,
};
use crate::images::list::IMAGES_BYTES_MAX;

/// The largest compressed bundle. With its inventory and base64 it stays below the 1.5 MiB of an
/// etcd request.
pub const COMPRESSED_BYTES_MAX: usize = 700 << 10;

/// The largest unpacked bundle: the limits of its parts, doubled to allow for archive headers.
const UNPACKED_BYTES_MAX: u64 = 2
    * (ATTESTATION_BYTES_MAX
        + SUMS_BYTES_MAX
        + 2 * DOCUMENT_BYTES_MAX
        + IMAGES_BYTES_MAX
        + MANIFESTS_BYTES_MAX);

/// The error for a bundle that is too large for a record.
#[derive(Debug, thiserror::Error)]
#[error("the compressed bundle has {bytes} bytes; the limit of a record is {COMPRESSED_BYTES_MAX}")]
pub struct TooLarge {
    pub bytes: usize,
}

/// Compresses the archive of a bundle, and encodes it in base64.
///
/// # Errors
///
/// When it is too large for the record.
pub fn pack(archive: &[u8]) -> Result<String, TooLarge> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed =
        encoder.write_all(archive).and_then(|()| encoder.finish()).expect("memory does not fail");
    if packed.len() > COMPRESSED_BYTES_MAX {
        return Err(TooLarge { bytes: packed.len() });
    }
    Ok(STANDARD.encode(packed))
}

/// Unpacks the archive of a bundle, which is still untrusted.
///
/// # Errors
///
/// When it is damaged, or larger than any bundle.
pub fn unpack(packed: &str) -> Result<Vec<u8>, InvalidRecord> {
    let packed =
        STANDARD.decode(packed).map_err(|_| InvalidRecord::Changed("the bundle is not base64"))?;
    let mut archive = Vec::new();
    GzDecoder::new(packed.as_slice()).take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut archive)?;
    if archive.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(InvalidRecord::Changed("the bundle exceeds the size limit"));
    }
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_round_trips_and_damaged_bundle_is_refused() {
        let archive: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let packed = pack(&archive).unwrap();
        assert_eq!(unpack(&packed).unwrap(), archive);

        let (start, end) = packed.split_at(packed.len() / 2);
        for damaged in [start.to_owned(), format!("{start}AAAA{end}"), format!("{start}!{end}")] {
            assert!(unpack(&damaged).is_err());
        }
    }
}
