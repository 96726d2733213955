//! The platform that images are pinned and carried for, such as `linux/amd64`.

use std::fmt;
use std::str::FromStr;

use crate::model::printable::shortened;

/// An operating system, an architecture and its variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a platform: write OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/amd64"
)]
pub struct InvalidPlatform(String);

impl Platform {
    /// Returns the platform. `arm64` without a variant becomes `arm64/v8`: image indexes use both
    /// spellings.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let variant = match (architecture, variant) {
            ("arm64", None | Some("")) => Some("v8"),
            (_, Some("")) => None,
            (_, variant) => variant,
        };
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }
}

impl Default for Platform {
    fn default() -> Self {
        Self::new("linux", "amd64", None)
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let is_part = |part: &&str| {
            (1..=32).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            _ if !parts.iter().all(is_part) => Err(InvalidPlatform(shortened(text))),
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(InvalidPlatform(shortened(text))),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            // Omit the only variant of `arm64`.
            None => Ok(()),
            Some("v8") if self.architecture == "arm64" => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arm64_equals_its_only_variant() {
        let of = |text: &str| text.parse::<Platform>().unwrap();
        assert_eq!(of("linux/arm64"), of("linux/arm64/v8"));
        assert_eq!(of("linux/arm64/v8").to_string(), "linux/arm64");
        assert_ne!(of("linux/arm/v6"), of("linux/arm/v7"));
        assert_eq!(of("linux/arm/v7").to_string(), "linux/arm/v7");
    }

    #[test]
    fn platform_of_another_form_is_refused() {
        for text in
            ["", "linux", "linux/", "linux/AMD64", "linux/amd64/v1/x", "linux amd64", "/amd64"]
        {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
