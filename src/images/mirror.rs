//! The copies that fill a registry inside the air gap.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reference::{ImageReference, InvalidReference};

/// A copy of one image.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MirrorCopy {
    pub from: String,
    pub to: String,
}

impl MirrorCopy {
    /// Returns the copy that brings `reference` to its place. Registries and tools take a tag or a
    /// digest, not both: an image with a digest is copied by digest, and gets its tag at the
    /// destination.
    ///
    /// References are parsed: an unverified bundle may hold any text, and a shell reads these
    /// lines.
    ///
    /// # Errors
    ///
    /// When a text is not a reference.
    pub fn of(
        reference: &str,
        sources: &BTreeMap<String, String>,
    ) -> Result<Self, InvalidReference> {
        let image: ImageReference = reference.parse()?;
        let name = image.without_digest();
        let source = sources
            .get(&name.to_string())
            .map_or_else(|| Ok(name.clone()), |source| source.parse())?;
        let from = match image.digest() {
            Some(digest) => source.without_tag().pinned(digest),
            None => source,
        };
        let to = if name.tag().is_some() { name } else { image };
        Ok(Self { from: from.to_string(), to: to.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_unsafe_for_shell_is_refused() {
        for reference in ["a:1\nevil:1 to:1", "a:1 b:1", "a:1;reboot", "$(reboot)"] {
            assert!(MirrorCopy::of(reference, &BTreeMap::new()).is_err(), "{reference:?}");
        }
        let source = BTreeMap::from([("r.example/a:1".to_owned(), "x y".to_owned())]);
        assert!(MirrorCopy::of("r.example/a:1", &source).is_err());
    }
}
