//! `profiles/images.lock`: the digest of each tag and the contents of its image. Canonical TOML.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Deserialize;

use super::manifest::{BLOB_BYTES_MAX, MANIFEST_BYTES_MAX, MediaType};
use super::platform::Platform;
use super::reference::ImageReference;
use crate::model::digest::Digest;
use crate::model::text::Label;

/// The name of the lock in the profiles folder, where every `*.toml` is a profile.
pub const LOCK_FILE: &str = "images.lock";

const SCHEMA: &str = "relay-bundle/images-lock/v1";

/// The maximum size of a lock: 4,000 blobs of 85 bytes, and the text around them.
pub const LOCK_BYTES_MAX: u64 = 1 << 20;
/// The maximum number of images in a lock or bundle.
pub const IMAGES_MAX: usize = 64;
/// The maximum number of blobs, each counted once.
pub const BLOBS_MAX: usize = 2_000;
/// The maximum number of blobs, each counted once per image.
pub const BLOB_ENTRIES_MAX: usize = 4_000;

/// The counts that are limited in a lock or bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Images,
    /// Configs and layers, each counted once.
    Blobs,
    /// Configs and layers, each counted once per image.
    BlobEntries,
}

impl Counted {
    /// Checks a number against the limit.
    ///
    /// # Errors
    ///
    /// Returns an error if the number is higher.
    pub(super) fn check(self, found: usize) -> Result<(), TooMany> {
        let most = self.most();
        if found > most { Err(TooMany { counted: self, found, most }) } else { Ok(()) }
    }

    fn most(self) -> usize {
        match self {
            Self::Images => IMAGES_MAX,
            Self::Blobs => BLOBS_MAX,
            Self::BlobEntries => BLOB_ENTRIES_MAX,
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Blobs => "configs and layers",
            Self::BlobEntries => "configs and layers in all images together",
        })
    }
}

/// A number above its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} {counted}, at most {most}")]
pub struct TooMany {
    counted: Counted,
    found: usize,
    most: usize,
}

/// The images of the listed profiles, each pinned to a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagesLock {
    pub platform: Platform,
    /// The profiles whose images are locked.
    pub profiles: BTreeSet<Label>,
    /// The images, keyed by their names before `images.registry` rewrites them.
    pub images: BTreeMap<ImageReference, LockedImage>,
}

/// The manifest that an image name resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedImage {
    /// The digest of the tag, usually that of an index.
    pub tagged: Digest,
    /// The digest of the platform's manifest, which is pinned and carried.
    pub digest: Digest,
    pub media_type: MediaType,
    /// The size of the manifest, in bytes.
    pub size: u64,
    /// The size of each config and layer, by digest.
    pub blobs: BTreeMap<Digest, u64>,
}

/// Why a lock is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidLock {
    /// Counts from 1; `None` if the error concerns the whole file.
    pub line: Option<usize>,
    pub message: String,
}

/// The remedy for an [`InvalidLock`].
pub const RESTORE_LOCK: &str =
    "restore the file, or remove it and lock the profiles again: relay-bundle lock";

impl InvalidLock {
    /// Returns the message with the path of the file and the line, if known.
    pub fn at(&self, path: &str) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("`{path}{line}`: {}", self.message)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockText {
    schema: String,
    platform: String,
    profiles: Vec<String>,
    #[serde(default)]
    image: Vec<toml::Spanned<LockImageText>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LockImageText {
    name: String,
    tagged: String,
    digest: String,
    media_type: String,
    size: u64,
    blobs: Vec<String>,
}

impl ImagesLock {
    /// Reads a lock.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a lock of this version, exceeds a limit, or is not
    /// spelled as [`Self::to_text`] writes it.
    pub fn parse(text: &str) -> Result<Self, InvalidLock> {
        let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        let whole = |message: String| InvalidLock { line: None, message };

        if text.len() as u64 > LOCK_BYTES_MAX {
            return Err(whole(format!("{} bytes, at most {LOCK_BYTES_MAX}", text.len())));
        }
        let written: LockText = toml::from_str(text).map_err(|error| InvalidLock {
            line: error.span().map(|span| line_of(span.start)),
            message: error.message().to_owned(),
        })?;

        if written.schema != SCHEMA {
            return Err(whole(format!(
                "unsupported schema `{}`: expected `{SCHEMA}`",
                written.schema
            )));
        }

        let platform = written.platform.parse().map_err(|error| whole(format!("{error}")))?;
        let profiles = written.profiles.iter().map(|name| name.parse::<Label>());
        let profiles =
            profiles.collect::<Result<_, _>>().map_err(|error| whole(error.to_string()))?;
        // Check before reading the images: a lock of 1 MiB may contain thousands.
        Counted::Images.check(written.image.len()).map_err(|error| whole(error.to_string()))?;

        let mut images = BTreeMap::new();
        for image in written.image {
            let start = image.span().start;
            let checked = image.into_inner().checked();
            let (name, image) =
                checked.map_err(|message| InvalidLock { line: Some(line_of(start)), message })?;
            images.insert(name, image);
        }

        let lock = Self { platform, profiles, images };
        lock.check_limits().map_err(|error| whole(error.to_string()))?;
        match first_difference(text, &lock.to_text()) {
            Some(line) => {
                let message = "it is not in the form that `relay-bundle lock` writes".to_owned();
                Err(InvalidLock { line: Some(line), message })
            }
            None => Ok(lock),
        }
    }

    /// Returns the canonical text of the lock.
    pub fn to_text(&self) -> String {
        let profiles: Vec<String> =
            self.profiles.iter().map(|name| format!("\"{name}\"")).collect();
        let mut text = format!(
            "# Written by `relay-bundle lock`.\nschema = \"{SCHEMA}\"\nplatform = \"{}\"\nprofiles = [{}]\n",
            self.platform,
            profiles.join(", ")
        );
        for (name, image) in &self.images {
            let LockedImage { tagged, digest, media_type, size, blobs } = image;
            let media_type = media_type.as_str();
            write!(
                text,
                "\n[[image]]\nname = \"{name}\"\ntagged = \"sha256:{tagged}\"\ndigest = \"sha256:{digest}\"\n\
                 mediaType = \"{media_type}\"\nsize = {size}\nblobs = [\n"
            )
            .expect("a string takes all text");
            for (digest, size) in blobs {
                writeln!(text, "  \"sha256:{digest} {size}\",").expect("a string takes all text");
            }
            text.push_str("]\n");
        }
        text
    }

    fn check_limits(&self) -> Result<(), TooMany> {
        let blobs: BTreeSet<&Digest> =
            self.images.values().flat_map(|image| image.blobs.keys()).collect();
        Counted::Images.check(self.images.len())?;
        Counted::Blobs.check(blobs.len())?;
        Counted::BlobEntries.check(self.images.values().map(|image| image.blobs.len()).sum())
    }
}

impl LockImageText {
    fn checked(self) -> Result<(ImageReference, LockedImage), String> {
        let name: ImageReference = self.name.parse().map_err(|error| format!("{error}"))?;
        let media_type =
            MediaType::of(&self.media_type).filter(|media_type| !media_type.is_index());
        let media_type = media_type
            .ok_or_else(|| format!("`{}` is not the type of an image manifest", self.media_type))?;
        if !(1..=MANIFEST_BYTES_MAX).contains(&self.size) {
            return Err(format!(
                "a manifest has 1 to {MANIFEST_BYTES_MAX} bytes, not {}",
                self.size
            ));
        }
        let (tagged, digest) = (digest(&self.tagged)?, digest(&self.digest)?);
        if name.digest().is_some_and(|stated| stated != tagged) {
            return Err(format!("`{name}` has a digest that differs from `tagged`"));
        }
        let blobs = self.blobs.iter().map(|line| blob(line)).collect::<Result<_, _>>()?;
        Ok((name, LockedImage { tagged, digest, media_type, size: self.size, blobs }))
    }
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_prefixed(text).map_err(|error| error.to_string())
}

fn blob(line: &str) -> Result<(Digest, u64), String> {
    let (name, size) = line
        .split_once(' ')
        .ok_or_else(|| "a blob is a digest and its size in bytes".to_owned())?;
    let size = size.parse().ok().filter(|size| (1..=BLOB_BYTES_MAX).contains(size));
    let size = size.ok_or_else(|| format!("a blob has 1 to {BLOB_BYTES_MAX} bytes"))?;
    Ok((digest(name)?, size))
}

/// Returns the first line, counting from 1, in which two texts differ.
fn first_difference(text: &str, wanted: &str) -> Option<usize> {
    if text == wanted {
        return None;
    }
    let same = text
        .split_inclusive('\n')
        .zip(wanted.split_inclusive('\n'))
        .take_while(|(one, other)| one == other)
        .count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> ImagesLock {
        let of = |text: &str| Digest::of(text.as_bytes());
        let image = LockedImage {
            tagged: of("index"),
            digest: of("manifest"),
            media_type: MediaType::OciManifest,
            size: 707,
            blobs: BTreeMap::from([(of("config"), 470), (of("layer"), 915_714)]),
        };
        let pinned = format!("docker.io/redis:8.2.2@sha256:{}", of("index"));
        ImagesLock {
            platform: Platform::default(),
            profiles: ["dev", "production"].map(|name| name.parse().unwrap()).into(),
            images: [("quay.io/x/y:1", image.clone()), (pinned.as_str(), image)]
                .map(|(name, image)| (name.parse().unwrap(), image))
                .into(),
        }
    }

    #[test]
    fn lock_has_one_spelling() {
        let text = lock().to_text();
        assert_eq!(ImagesLock::parse(&text).unwrap(), lock());
        let line =
            |change: &dyn Fn(&str) -> String| ImagesLock::parse(&change(&text)).unwrap_err().line;
        assert_eq!(line(&|text| text.replace("by `", "with `")), Some(1));
        assert_eq!(line(&|text| text.replace("size = 707", "size = 0707")), Some(11));
        assert_eq!(line(&|text| text.replacen("size = 707", "size  = 707", 1)), Some(11));
        assert_eq!(
            line(&|text| text.replace("[\"dev\", \"production\"]", "[\"production\", \"dev\"]")),
            Some(4)
        );
        assert_eq!(line(&|text| format!("{text}\n")), Some(text.lines().count() + 1));
        assert_eq!(line(&|text| text.replace('\n', "\r\n")), Some(1));
        assert_eq!(line(&|text| text.replace("linux/amd64", "linux/arm64/v8")), Some(3));
    }

    #[test]
    fn lock_begins_with_published_header() {
        let header = "# Written by `relay-bundle lock`.\nschema = \"relay-bundle/images-lock/v1\"\n\
                      platform = \"linux/amd64\"\nprofiles = [\"dev\", \"production\"]\n\n[[image]]\nname = \"";
        assert!(lock().to_text().starts_with(header));
    }

    #[test]
    fn lock_that_states_something_wrong_is_refused() {
        let text = lock().to_text();
        let tagged = format!("tagged = \"sha256:{}\"", Digest::of(b"index"));
        for (from, to) in [
            ("images-lock/v1", "images-lock/v2"),
            ("linux/amd64", "amd64"),
            ("\"production\"", "\"Production\""),
            ("size = 707", "size = 0"),
            ("size = 707", "size = 4194305"),
            (" 470\"", " 0\""),
            (" 470\"", " 8589934592\""),
            (" 470\"", "\""),
            ("image.manifest", "image.index"),
            ("quay.io/x/y:1", "quay.io/X/y:1"),
            ("quay.io/x/y:1", "docker.io/redis:8"),
            (tagged.as_str(), "tagged = \"x\""),
            ("blobs = [", "more = 1\nblobs = ["),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(ImagesLock::parse(&text.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
        // A digest in the name must equal the tagged digest.
        let other =
            tagged.replace(&Digest::of(b"index").to_string(), &Digest::of(b"other").to_string());
        let first = ImagesLock::parse(&text.replacen(&tagged, &other, 1)).unwrap_err();
        assert!(first.message.contains("has a digest"), "{first}");
    }

    #[test]
    fn lock_over_limit_is_refused() {
        let mut many = lock();
        let image = many.images.values().next().unwrap().clone();
        for number in 0..IMAGES_MAX {
            many.images.insert(format!("x/y:{number}").parse().unwrap(), image.clone());
        }
        let error = ImagesLock::parse(&many.to_text()).unwrap_err();
        assert_eq!(error.message, "66 images, at most 64");
    }

    #[test]
    fn lock_over_image_limit_is_refused_before_images_are_read() {
        let mut many = lock();
        let image = many.images.values().next().unwrap().clone();
        for number in 0..IMAGES_MAX {
            many.images.insert(format!("x/y:{number}").parse().unwrap(), image.clone());
        }
        let text = many.to_text().replacen("size = 707", "size = 0", 1);
        assert_eq!(ImagesLock::parse(&text).unwrap_err().message, "66 images, at most 64");
    }
}
