//! Checks that each sealed file belongs to its place, and can be opened where the bundle is
//! applied.

use crate::age_file::{Address, Form, FormError, SealedPlace, Stated};
use crate::model::secret::sealed_path;
use crate::model::text::{AgeRecipient, Label};
use crate::profile::node::Path;
use crate::profile::overlay::ProfileFiles;
use crate::profile::resolve::Profile;

use super::Report;

/// A secret with its value in a sealed file.
struct SealedSecret {
    /// The profile's name.
    profile: Label,
    /// The profile key that configures the secret.
    path: Path,
    file: String,
    /// The namespace, Secret and key of its use; `None` if Kubernetes would not accept these names.
    place: Option<SealedPlace>,
}

/// Reads the encrypted files that the profile's secrets name.
pub(super) fn read(profile: &mut Profile, files: &dyn ProfileFiles, report: &mut Report<'_>) {
    let named = named(profile);
    let wanted = profile.settings.release.seal_recipients.clone();
    for (index, secret) in named.iter().enumerate() {
        if is_named_before(secret, &named[..index], report) {
            continue;
        }
        match files.file(&secret.file) {
            Ok(bytes) => {
                if files.checks_sealed_files() {
                    check_file(secret, &bytes, &wanted, report);
                }
                profile.sealed.insert(secret.file.clone(), bytes);
            }
            Err(reason) => {
                let help = format!(
                    "the path is relative to the folder of the profiles: copy the file there, or \
                     create it with `relay-bundle secrets encrypt {} {}`",
                    secret.profile, secret.path
                );
                report.error("RB0210", &secret.path, reason, help);
            }
        }
    }
}

fn named(profile: &Profile) -> Vec<SealedSecret> {
    let namespace = profile.settings.release.namespace.as_str();
    let secrets = profile.secrets();
    let named = secrets.iter().filter_map(|secret| {
        Some(SealedSecret {
            profile: profile.name.clone(),
            path: profile.key_of(&secret.purpose),
            file: secret.form.age_file()?,
            place: SealedPlace::new(namespace, &secret.object, &secret.key).ok(),
        })
    });
    named.collect()
}

/// Rejects a file that has the same name as an earlier one, here or in the bundle.
fn is_named_before(
    secret: &SealedSecret,
    earlier: &[SealedSecret],
    report: &mut Report<'_>,
) -> bool {
    let SealedSecret { path, file, .. } = secret;
    if earlier.iter().any(|earlier| earlier.file == *file) {
        let message = format!(
            "`{file}` is already used for another secret; each file is sealed for one place"
        );
        report.error("RB0213", path, message, "encrypt this secret into a separate file");
        return true;
    }
    let in_bundle = sealed_path(file);
    let Some(other) = earlier.iter().find(|earlier| sealed_path(&earlier.file) == in_bundle) else {
        return false;
    };
    let message = format!(
        "`{file}` would become `{in_bundle}` in the bundle, which `{}` of `{}` already uses",
        other.file, other.path
    );
    report.error("RB0214", path, message, "rename one of the two files");
    true
}

/// Checks a file without a key.
fn check_file(
    secret: &SealedSecret,
    bytes: &[u8],
    wanted: &[AgeRecipient],
    report: &mut Report<'_>,
) {
    let SealedSecret { profile, path, file, place } = secret;
    let form = match Form::of(bytes) {
        Ok(form) => form,
        Err(FormError::TooLarge(limit)) => {
            let message = format!(
                "`{file}` has {} bytes; the limit of a sealed secret is {limit}",
                bytes.len()
            );
            return report.error("RB0212", path, message, "is this the right file?");
        }
        Err(why) => {
            let message = format!("`{file}` is not a sealed secret: {why}");
            let help = "seal it with `relay-bundle secrets encrypt`, and change the secret if it was committed in clear text";
            return report.error("RB0211", path, message, help);
        }
    };

    let Some(place) = place else { return };
    match form.stated(place) {
        Stated::Same => {}
        Stated::Other(other) => {
            let message = format!("`{file}` is sealed for {other}, but this is {place}");
            report.error("RB0215", path, message, own_file(secret, place));
        }
        Stated::Unknown => {
            let message = format!(
                "`{file}` does not state its place: if it was not sealed for {place}, `apply` refuses it"
            );
            let help = format!(
                "seal the value for this place: relay-bundle secrets encrypt {profile} {path} \
                 --replace; or test it: relay-bundle secrets check {profile} --identity FILE"
            );
            report.warning("RB0430", path, message, help);
        }
    }

    if let Some(address) = form.address() {
        recipients(secret, address, wanted, report);
    }
}

/// Returns the hint for a secret whose file is sealed for another place: give it a file of its own.
fn own_file(secret: &SealedSecret, place: &SealedPlace) -> String {
    let SealedSecret { profile, path, file, .. } = secret;
    let own = format!("secrets/{profile}-{}.age", place.key());
    let encrypt = format!("relay-bundle secrets encrypt {profile} {path}");
    if *file == own {
        return format!(
            "delete the file if no other profile uses it, and seal the value for this place: \
             {encrypt}"
        );
    }
    format!(
        "use a separate file in this profile, `{path} = {{ age = \"{own}\" }}`, and seal the value \
         for it: {encrypt}"
    )
}

/// Warns about an operator's key that does not open the file, because it was added after the file
/// was sealed.
fn recipients(
    secret: &SealedSecret,
    address: &Address,
    wanted: &[AgeRecipient],
    report: &mut Report<'_>,
) {
    let lacking: Vec<&str> =
        address.lacking(wanted).into_iter().map(AgeRecipient::as_str).collect();
    if lacking.is_empty() {
        return;
    }
    let message = format!(
        "`{}` is not sealed for {}, which `release.sealRecipients` names: that key does not open it",
        secret.file,
        lacking.join(", ")
    );
    let help = format!(
        "seal it again: relay-bundle secrets encrypt {} {} --replace",
        secret.profile, secret.path
    );
    report.warning("RB0431", &secret.path, message, help);
}
