//! The recipients of a sealed secret.

use std::collections::BTreeSet;

use crate::age_file::{ARMOUR_BEGIN, MAGIC_BEGIN, RECIPIENTS_MAX};
use crate::model::text::AgeRecipient;

/// Why we refuse to encrypt for the example key of the shipped profiles.
pub const EXAMPLE_RECIPIENT: &str = "a recipient is the example key of the shipped profiles (RB0418): you \
                           cannot open data encrypted for it, but others may";

/// The recipients of a secret: at least one, without duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients(BTreeSet<AgeRecipient>);

/// Why recipients are invalid. Text that may be a private key is never quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecipient {
    #[error("no recipients")]
    None,
    #[error("there are more than {RECIPIENTS_MAX} recipients")]
    TooMany,
    #[error(
        "this is an age private key: replace it, because it is now exposed, and use its public \
         key, which `relay-bundle keygen --age --public FILE` prints"
    )]
    PrivateKey,
    #[error(
        "SSH keys are not supported: create a key with `relay-bundle keygen --age` and use its \
         `age1…` line"
    )]
    Ssh,
    #[error(
        "`{0}` is a plugin key or another type that `apply` does not support; use a key of \
         `age-keygen`"
    )]
    Plugin(String),
    #[error("this is a file that age encrypted, not a public key")]
    Encrypted,
    #[error("`{0}` is not an age public key, or was copied incorrectly")]
    Malformed(String),
}

impl Recipients {
    /// Creates a set of recipients.
    ///
    /// # Errors
    ///
    /// When the set is empty or has too many recipients.
    pub fn new(
        recipients: impl IntoIterator<Item = AgeRecipient>,
    ) -> Result<Self, InvalidRecipient> {
        let all: BTreeSet<AgeRecipient> = recipients.into_iter().collect();
        match all.len() {
            0 => Err(InvalidRecipient::None),
            1..=RECIPIENTS_MAX => Ok(Self(all)),
            _ => Err(InvalidRecipient::TooMany),
        }
    }

    /// Parses a recipient from user input.
    ///
    /// # Errors
    ///
    /// When the text is not a recipient, or one of an unsupported kind.
    pub fn parse_one(text: &str) -> Result<AgeRecipient, InvalidRecipient> {
        let text = text.trim();
        if let Ok(recipient) = text.parse() {
            return Ok(recipient);
        }
        let (upper, lower) = (text.to_ascii_uppercase(), text.to_ascii_lowercase());
        if upper.contains("AGE-SECRET-KEY-")
            || upper.contains("AGE-PLUGIN-")
            || text.contains("PRIVATE KEY")
        {
            return Err(InvalidRecipient::PrivateKey);
        }
        if ["ssh-", "ecdsa-", "sk-"].iter().any(|beginning| lower.starts_with(beginning)) {
            return Err(InvalidRecipient::Ssh);
        }
        if text.starts_with(ARMOUR_BEGIN) || text.starts_with(MAGIC_BEGIN) {
            return Err(InvalidRecipient::Encrypted);
        }
        // `age1yubikey1q…`, `age1pq1…`, `age1tag1…`: a plugin name precedes the last `1`.
        if lower.strip_prefix("age1").is_some_and(|rest| rest.contains('1')) {
            return Err(InvalidRecipient::Plugin(text.to_owned()));
        }
        Err(InvalidRecipient::Malformed(text.to_owned()))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &AgeRecipient> {
        self.0.iter()
    }

    /// Returns whether the set contains the example key of the shipped profiles, whose private key
    /// the user does not have.
    pub fn has_example(&self) -> bool {
        self.iter().any(AgeRecipient::is_example)
    }

    /// Returns the recipients as age's type.
    pub(super) fn keys(&self) -> Vec<age::x25519::Recipient> {
        let key = |recipient: &AgeRecipient| recipient.as_str().parse();
        self.iter()
            .map(|recipient| key(recipient).expect("its type has checked all of it"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn recipient_of_other_kind_is_refused_by_kind() {
        assert_eq!(Recipients::parse_one(&format!(" {GOOD}\n")).unwrap().as_str(), GOOD);
        let plugin = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t";
        let private = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
        let table = [
            (plugin, InvalidRecipient::Plugin(plugin.to_owned())),
            ("age1pq1qqq", InvalidRecipient::Plugin("age1pq1qqq".to_owned())),
            (private, InvalidRecipient::PrivateKey),
            ("ssh-ed25519 AAAA me@host", InvalidRecipient::Ssh),
            ("ssh-rsa AAAA", InvalidRecipient::Ssh),
            ("age-encryption.org/v1\n-> X25519", InvalidRecipient::Encrypted),
            ("age1ql3", InvalidRecipient::Malformed("age1ql3".to_owned())),
            ("", InvalidRecipient::Malformed(String::new())),
        ];
        for (text, wanted) in table {
            let refused = Recipients::parse_one(text).unwrap_err();

            assert_eq!(refused, wanted, "{text}");
            assert!(!refused.to_string().contains("1GQ9778"), "{refused}");
        }
    }

    #[test]
    fn recipients_are_some_and_each_counts_once() {
        let one: AgeRecipient = GOOD.parse().unwrap();

        assert_eq!(Recipients::new([]), Err(InvalidRecipient::None));
        assert_eq!(Recipients::new([one.clone(), one]).unwrap().iter().len(), 1);
    }
}
