//! Image references in the OCI grammar: `registry/repository:tag@sha256:…`.

use std::fmt;
use std::str::FromStr;

use crate::model::digest::Digest;
use crate::model::printable::shortened;
use crate::model::text::{is_repository_segment, split_registry};

/// The registry of references without one.
const DOCKER_HUB: &str = "docker.io";

/// A reference as written; other programs compare the form of [`Self::full`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageReference {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {why}")]
pub struct InvalidReference {
    text: String,
    why: ReferenceFault,
}

/// The rule that a reference breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceFault {
    #[error("it is longer than {} bytes", ImageReference::BYTES_MAX)]
    TooLong,
    #[error("a digest is `sha256:` and 64 hexadecimal digits")]
    Digest,
    #[error("a registry is a host name with an optional port")]
    Registry,
    #[error(
        "a repository has segments of lowercase letters and digits, joined by `.`, `_`, `__` or `-`"
    )]
    Repository,
    #[error("a tag has at most 128 letters, digits, `.`, `_` and `-`")]
    Tag,
}

impl ImageReference {
    pub const BYTES_MAX: usize = 512;

    /// Returns the host and port of the registry; `docker.io` if the reference has none.
    pub fn registry(&self) -> &str {
        match self.registry.as_deref() {
            None | Some("index.docker.io") => DOCKER_HUB,
            Some(registry) => registry,
        }
    }

    /// Returns the path in the registry; `library/redis` for `redis` on Docker Hub.
    pub fn repository(&self) -> String {
        if self.registry() == DOCKER_HUB && !self.repository.contains('/') {
            format!("library/{}", self.repository)
        } else {
            self.repository.clone()
        }
    }

    /// Returns the registry and repository as written.
    pub fn name(&self) -> String {
        let registry = self.registry.as_ref().map(|registry| format!("{registry}/"));
        registry.unwrap_or_default() + &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the reference with registry and full path, the name in container runtimes.
    #[must_use]
    pub fn full(&self) -> Self {
        let registry = Some(self.registry().to_owned());
        Self { registry, repository: self.repository(), ..self.clone() }
    }

    /// Returns the reference without its digest.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    /// Returns the reference to another tag in the same repository, without a digest.
    ///
    /// # Errors
    ///
    /// Returns an error if `tag` is not a valid tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidReference> {
        format!("{}:{tag}", self.name()).parse()
    }

    /// Returns the reference without its tag.
    #[must_use]
    pub fn without_tag(&self) -> Self {
        Self { tag: None, ..self.clone() }
    }

    /// Returns the reference pinned to `digest`, with its tag.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

/// Returns the part of a reference before its digest.
pub fn without_digest(reference: &str) -> &str {
    reference.split_once('@').map_or(reference, |(name, _)| name)
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |why| InvalidReference { text: shortened(text), why };
        if text.len() > Self::BYTES_MAX {
            return Err(invalid(ReferenceFault::TooLong));
        }

        let (name, digest) = match text.split_once('@') {
            None => (text, None),
            Some((name, digest)) => {
                let digest =
                    Digest::from_prefixed(digest).map_err(|_| invalid(ReferenceFault::Digest))?;
                (name, Some(digest))
            }
        };

        let (registry, path) = split_registry(name);
        let (repository, tag) = match path.split_once(':') {
            None => (path, None),
            Some((repository, tag)) => (repository, Some(tag)),
        };

        if !registry.is_none_or(is_host) {
            return Err(invalid(ReferenceFault::Registry));
        }
        if !repository.split('/').all(is_repository_segment) {
            return Err(invalid(ReferenceFault::Repository));
        }
        if !tag.is_none_or(is_tag) {
            return Err(invalid(ReferenceFault::Tag));
        }

        Ok(Self {
            registry: registry.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@sha256:{digest}"))
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
            && ends.iter().all(|end| end.is_some_and(|byte| *byte != b'-'))
    };
    host.split('.').all(is_label)
        && port.is_none_or(|port| {
            !port.is_empty() && !port.starts_with('0') && port.parse::<u16>().is_ok()
        })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> ImageReference {
        text.parse().unwrap()
    }

    #[test]
    fn reference_prints_as_written() {
        let digest = "a".repeat(64);
        for text in [
            "redis",
            "redis:8.2.2",
            "localhost/x",
            "localhost:5000/x/y:1",
            "ghcr.io/wei-shaw/claude-relay-service:v1.1.314",
            "r.example:443/a__b/c-d.e_f/g---h",
            &format!("docker.io/redis:8@sha256:{digest}"),
            &format!("redis@sha256:{digest}"),
        ] {
            assert_eq!(of(text).to_string(), text);
        }
    }

    #[test]
    fn reference_outside_grammar_is_refused() {
        let upper = "A".repeat(64);
        for text in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a:",
            "a:-b",
            ":b",
            "a@",
            "a@sha256:",
            "a@sha512:00",
            "a b",
            "a.",
            "a___b",
            "a._b",
            "-a",
            "a-",
            "x.y:0/a",
            "x.y:99999/a",
            "x.y:08/a",
            "x..y/a",
            "X.y/a",
            "https://x.y/a",
            "a:b:c",
            "a@sha256:x@sha256:y",
            "\u{e9}",
            &format!("a@sha256:{upper}"),
            &"a".repeat(513),
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }

    #[test]
    fn full_name_follows_container_runtime_rules() {
        for (text, full) in [
            ("redis:8", "docker.io/library/redis:8"),
            ("docker.io/redis", "docker.io/library/redis"),
            ("index.docker.io/redis", "docker.io/library/redis"),
            ("fluent/fluent-bit", "docker.io/fluent/fluent-bit"),
            ("localhost/x", "localhost/x"),
            ("quay.io/x", "quay.io/x"),
        ] {
            assert_eq!(of(text).full().to_string(), full);
        }
    }
}
