//! Checks secrets: no literal outside `dev`, no unrecoverable value, and no example recipient.

use crate::model::secret::SecretForm;
use crate::model::text::AgeRecipient;
use crate::profile::node::Path;
use crate::profile::resolve::{Profile, SecretPurpose, SecretRef};

use super::Report;

pub(super) fn check(profile: &Profile, report: &mut Report<'_>) {
    let settings = &profile.settings;
    let secrets = profile.secrets();
    for secret in &secrets {
        let path = profile.key_of(&secret.purpose);
        match secret.form {
            SecretForm::Literal { .. } if !settings.is_dev() => {
                literal(&path, settings.release.environment.as_str(), report);
            }
            SecretForm::Existing { .. } => existing(profile, &path, secret, report),
            SecretForm::Generate { generation, .. }
                if secret.purpose == SecretPurpose::EncryptionKey && generation.get() > 1 =>
            {
                let message = "the encryption key cannot be changed: a different one makes every \
                               account and API key unreadable";
                let help = "remove `generation`; move the accounts to a new installation to change the key";
                report.error("RB0202", path.key("generate").key("generation"), message, help);
            }
            _ => {}
        }
    }

    let generates = secrets.iter().any(|secret| matches!(secret.form, SecretForm::Generate { .. }));
    if generates && settings.release.recovery_recipients.is_empty() && !settings.is_dev() {
        let message = "secrets are generated in the cluster and could not be restored: a backup of \
                       Redis is worthless without the key";
        let help =
            "add the public key that `relay-bundle keygen --age` prints, and keep its file offline";
        report.warning("RB0401", "release.recoveryRecipients", message, help);
    }

    let release = &settings.release;
    examples("release.recoveryRecipients", &release.recovery_recipients, report);
    examples("release.sealRecipients", &release.seal_recipients, report);
}

/// Warns about the public key of the shipped profiles.
fn examples(key: &str, recipients: &[AgeRecipient], report: &mut Report<'_>) {
    for (index, _) in recipients.iter().enumerate().filter(|(_, recipient)| recipient.is_example())
    {
        let message = "this is the example key of the shipped profiles, not your own: you cannot \
                       open data encrypted for it, but others may; `apply` generates secrets only \
                       with --no-recovery, and nothing is sealed for it";
        let help = "write the public key that `relay-bundle keygen --age` prints, and keep its file offline";
        report.warning("RB0418", format!("{key}[{index}]"), message, help);
    }
}

fn literal(path: &Path, environment: &str, report: &mut Report<'_>) {
    let message = format!(
        "a secret is in clear text here, which is only allowed in the environment `dev`, not in \
         `{environment}`"
    );
    let help = "write `{ age = \"secrets/NAME.age\" }`, `{ existing = { name = \"…\", key = \"…\" \
                } }` or `{ generate = {} }`, and change the secret if it was committed";
    report.error("RB0201", path, message, help);
}

fn existing(profile: &Profile, path: &Path, secret: &SecretRef<'_>, report: &mut Report<'_>) {
    let ours = ["generated", "encryption-key", "sealed", "literal"];
    if ours.iter().any(|suffix| secret.object == format!("{}-{suffix}", profile.names.full)) {
        let message =
            format!("`{}` is the name of a Secret that the bundle manages", secret.object);
        let help = "use the name of your own Secret, or omit `existing` to have one generated";
        report.error("RB0203", path.key("existing").key("name"), message, help);
    }
}
