//! Saves encrypted copies of generated values, in the record and in a file, before the values are
//! written to the cluster.

use camino::Utf8PathBuf;
use serde_json::Value;

use super::planned_secret::PlannedSecret;
use super::recovery_file::{RecoveryPlace, check_place, make_place, next_free, saved, write_new};
use crate::bundle::open::Bundle;
use crate::bundle::sealed::AgeKeys;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::install::record::Journal;
use crate::model::object_key::ObjectKey;
use crate::sealed::{EXAMPLE_RECIPIENT, Recipients, Recovery};

/// A saved copy.
pub(super) struct KeptCopy {
    pub file: Utf8PathBuf,
    encrypted: String,
    /// The copies that were in the record before.
    before: Option<Value>,
}

/// Generated values that could never be recovered.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeeperError {
    #[error(
        "the values generated into {} could not be recovered: the bundle has no recovery \
         recipients",
        .secrets.join(", ")
    )]
    NoRecipients { secrets: Vec<String> },
    #[error(
        "the values generated into {} could not be recovered: {EXAMPLE_RECIPIENT}",
        .secrets.join(", ")
    )]
    ExampleRecipient { secrets: Vec<String> },
    #[error(
        "cannot locate the folder of recovery files: neither XDG_STATE_HOME nor HOME is a path"
    )]
    UnknownPlace,
}

impl From<KeeperError> for Failure {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::NoRecipients { .. } => Self::input(error)
                .hint(
                    "set release.recoveryRecipients in the profile to an age public key, and \
                     build again",
                )
                .hint(NO_RECOVERY),
            KeeperError::ExampleRecipient { .. } => Self::input(error)
                .hint(
                    "set release.recoveryRecipients in the profile to your own key (create one \
                     with `relay-bundle keygen --age`), and build again",
                )
                .hint(NO_RECOVERY),
            KeeperError::UnknownPlace => {
                Self::input(error).hint("pass the file: --recovery-file FILE")
            }
        }
    }
}

fn is_dev(bundle: &Bundle) -> bool {
    bundle.index.environment.as_str() == "dev"
}

const NO_RECOVERY: &str = "or accept that they are lost with the namespace: --no-recovery";

/// The recipients of generated values, and the path of the file.
pub(super) struct Keeper {
    recipients: Recipients,
    path: Utf8PathBuf,
    /// Whether the operator named the path.
    is_named: bool,
}

impl Keeper {
    /// Chooses the recipients of generated values. A development environment needs none.
    pub(super) fn of(
        bundle: &Bundle,
        secret_plan: &[PlannedSecret],
        place: &RecoveryPlace,
    ) -> Result<Option<Self>, Failure> {
        let named = AgeKeys::of(&bundle.recipe).recovery;
        let secrets = || secret_plan.iter().map(|planned| planned.key.name.clone()).collect();
        if named.is_empty() && is_dev(bundle) {
            return Ok(None);
        }
        if named.is_empty() {
            return Err(KeeperError::NoRecipients { secrets: secrets() }.into());
        }
        let recipients =
            named.iter().map(|key| Recipients::parse_one(key)).collect::<Result<Vec<_>, _>>();
        let recipients = recipients.and_then(Recipients::new).map_err(Failure::input)?;
        if recipients.has_example() {
            return Err(KeeperError::ExampleRecipient { secrets: secrets() }.into());
        }
        let (namespace, name) = (&bundle.index.namespace, &bundle.index.name);
        let path = match place {
            RecoveryPlace::Named(file) => {
                check_place(file)?;
                file.clone()
            }
            RecoveryPlace::Folder(folder) => folder.join(format!("{namespace}-{name}.age")),
            RecoveryPlace::Unknown => return Err(KeeperError::UnknownPlace.into()),
        };
        let is_named = matches!(place, RecoveryPlace::Named(_));
        Ok(Some(Self { recipients, path, is_named }))
    }

    /// Returns the public keys of the recipients.
    pub(super) fn recipients(&self) -> Vec<String> {
        self.recipients.iter().map(|recipient| recipient.as_str().to_owned()).collect()
    }

    /// Returns the path of the file.
    pub(super) fn file(&self) -> Utf8PathBuf {
        next_free(&self.path)
    }

    /// Saves copies of Secrets.
    pub(super) fn keep(
        &self,
        journal: &Journal,
        secrets: &[(ObjectKey, Secret)],
    ) -> Result<KeptCopy, Failure> {
        let secrets = secrets.iter().map(|(key, secret)| saved(&key.name, secret)).collect();
        let (bundle, namespace) = (journal.name().to_string(), journal.namespace().to_owned());
        let file = Recovery { bundle, namespace, secrets }
            .seal(&self.recipients)
            .map_err(Failure::world)?;
        let encrypted = String::from_utf8(file).map_err(Failure::bug)?;
        let before = journal.keep_recovery(&encrypted)?;
        // Without a file nothing is generated, so the record must not have a copy.
        let unkept = |failure: Failure| match journal.discard_recovery(&encrypted, before.as_ref())
        {
            Ok(()) => failure,
            Err(why) => failure
                .hint(format!("the newest copy in the record is worthless ({})", why.message())),
        };
        let place = if self.is_named { Ok(()) } else { make_place(&self.path) };
        let file = place.and_then(|()| write_new(&self.path, encrypted.as_bytes()));
        let file = file.map_err(|error| unkept(error.into()))?;
        Ok(KeptCopy { file, encrypted, before })
    }
}

impl KeptCopy {
    /// Deletes the copy in the file and in the record. Its values were never written to the
    /// cluster.
    pub(super) fn discard(&self, journal: &Journal) -> Result<(), Failure> {
        fs_err::remove_file(&self.file)?;
        journal.discard_recovery(&self.encrypted, self.before.as_ref())
    }
}
