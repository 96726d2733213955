//! Secrets: no literal outside dev, nothing that cannot be had back, no file that is not age's.

use crate::model::secret::{SecretForm, sealed_path};
use crate::profile::node::Path;
use crate::profile::overlay::ProfileFiles;
use crate::profile::resolve::{Profile, Purpose, SecretRef};

use super::Report;

/// Far more than the framed and padded plaintext of one secret needs.
const SEALED_BYTES_MAX: usize = 64 << 10;

/// How a file of age starts: binary, or in its armour.
const AGE_BEGINNINGS: [&[u8]; 2] = [b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----\n"];

/// Reads the encrypted files that the profile's secrets name.
pub(super) fn read_sealed(profile: &mut Profile, files: &dyn ProfileFiles, report: &mut Report<'_>) {
    let named: Vec<(Path, String)> = profile
        .secrets()
        .iter()
        .filter_map(|secret| Some((profile.key_of(&secret.purpose), secret.form.age_file()?)))
        .collect();
    for (index, (path, file)) in named.iter().enumerate() {
        if named[..index].iter().any(|(_, earlier)| earlier == file) {
            let message =
                format!("`{file}` is named for another secret already; each is sealed for one place");
            report.error("RB0213", path, message, "encrypt this secret into a file of its own");
            continue;
        }
        let place = sealed_path(file);
        if let Some((other, earlier)) =
            named[..index].iter().find(|(_, earlier)| sealed_path(earlier) == place)
        {
            let message = format!(
                "`{file}` would become `{place}` in the bundle, as `{earlier}` of `{other}` does already"
            );
            report.error("RB0214", path, message, "rename one of the two files");
            continue;
        }
        match files.file(file) {
            Ok(bytes) => {
                sealed(path, file, &bytes, report);
                profile.sealed.insert(file.clone(), bytes);
            }
            Err(reason) => {
                let help = "the path starts at the folder of the profiles; `relay-bundle secrets encrypt PROFILE KEY` makes the file";
                report.error("RB0210", path, reason, help);
            }
        }
    }
}

fn sealed(path: &Path, file: &str, bytes: &[u8], report: &mut Report<'_>) {
    if bytes.len() > SEALED_BYTES_MAX {
        let message =
            format!("`{file}` has {} bytes; a sealed secret has at most {SEALED_BYTES_MAX}", bytes.len());
        report.error("RB0212", path, message, "is this the right file?");
    } else if !AGE_BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning)) {
        let message = format!("`{file}` is not a file that age encrypted");
        let help = "seal it with `relay-bundle secrets encrypt`, and change the secret if it was committed in clear text";
        report.error("RB0211", path, message, help);
    }
}

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
                if secret.purpose == Purpose::EncryptionKey && generation.get() > 1 =>
            {
                let message = "the encryption key is the installation: another one makes every account and API key unreadable";
                let help = "remove `generation`; move the accounts to a new installation to change the key";
                report.error("RB0202", path.key("generate").key("generation"), message, help);
            }
            _ => {}
        }
    }
    let generates = secrets.iter().any(|secret| matches!(secret.form, SecretForm::Generate { .. }));
    if generates && settings.release.recovery_recipients.is_empty() && !settings.is_dev() {
        let message = "secrets are generated in the cluster and nobody could restore them: a backup of Redis is worthless without the key";
        let help = "add the public key that `age-keygen` prints, and keep its file offline";
        report.warning("RB0401", "release.recoveryRecipients", message, help);
    }
    let recipients = settings.release.recovery_recipients.iter();
    for (index, _) in recipients.enumerate().filter(|(_, recipient)| recipient.is_example()) {
        let message = "this is the example of the shipped profiles, not a key of yours: nobody of yours can restore what is \
                       encrypted for it, and somebody else may";
        let help = "write the public key that `age-keygen` prints, and keep its file offline";
        report.warning("RB0418", format!("release.recoveryRecipients[{index}]"), message, help);
    }
}

fn literal(path: &Path, environment: &str, report: &mut Report<'_>) {
    let message = format!(
        "a secret stands here in clear text, which only the environment `dev` may have, not `{environment}`"
    );
    let help = "write `{ age = \"secrets/NAME.age\" }`, `{ existing = { name = \"…\", key = \"…\" } }` or \
                `{ generate = {} }`, and change the secret if it was committed";
    report.error("RB0201", path, message, help);
}

fn existing(profile: &Profile, path: &Path, secret: &SecretRef<'_>, report: &mut Report<'_>) {
    let ours = ["generated", "encryption-key", "sealed", "literal"];
    if ours.iter().any(|suffix| secret.object == format!("{}-{suffix}", profile.names.full)) {
        let message = format!("`{}` is the name of a Secret that the bundle keeps itself", secret.object);
        let help = "name the Secret that you keep, or leave `existing` out to have one made";
        report.error("RB0203", path.key("existing").key("name"), message, help);
    }
}
