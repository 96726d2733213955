//! Seals a value into the file that a profile names for it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::recipients::recipients;
use crate::age_file::{Form, SEALED_BYTES_MAX, SealedPlace, Stated};
use crate::failure::Failure;
use crate::fsio::{self, Durability, MODE_PUBLIC, create_new, folder_of, write_atomic};
use crate::model::secret::{GENERATED_LENGTH, SecretForm};
use crate::model::text::AgeFile;
use crate::profile::parse::TEXT_BYTES_MAX;
use crate::profile::placement::{Placement, Where, placement};
use crate::profile::resolve::{Profile, SecretPurpose, SecretRef};
use crate::sealed::{Recipients, SecretBytes, seal};

/// The profile key with the recipients of sealed secrets.
pub const SEAL_RECIPIENTS: &str = "release.sealRecipients";

/// The place of a sealed value, and its file.
#[derive(Clone, Copy)]
pub struct SealOptions<'a> {
    /// The folder of the profiles.
    pub folder: &'a Utf8Path,
    /// The name of the profile.
    pub profile: &'a str,
    /// The key of the secret, such as `config.jwtSecret`.
    pub key: &'a str,
    /// The file below the folder, if the profile sets none.
    pub file: Option<&'a AgeFile>,
    /// Whether an existing file is replaced.
    pub replace: bool,
}

/// A secret of a profile, and the file for it.
pub struct SealTarget<'a> {
    options: SealOptions<'a>,
    pub place: SealedPlace,
    purpose: SecretPurpose,
    file: AgeFile,
    /// Whether the profile names the file.
    pub is_stated: bool,
}

impl<'a> SealTarget<'a> {
    /// Returns the secret that the options select, and the file for it.
    ///
    /// # Errors
    ///
    /// When the profile has no such secret, or uses another file.
    pub fn find(profile: &Profile, options: SealOptions<'a>) -> Result<Self, Failure> {
        let secrets = profile.secrets();
        let key_of = |secret: &SecretRef<'_>| profile.key_of(&secret.purpose).to_string();
        let meant = secrets.iter().find(|secret| key_of(secret) == options.key);
        let secret = meant.ok_or_else(|| {
            let keys: Vec<String> = secrets.iter().map(key_of).collect();
            no_secret(options, &keys)
        })?;
        let data_key = secret.purpose.data_key();
        let (file, is_stated) = match (secret.form, options.file) {
            (SecretForm::Age { file }, Some(other)) if file != other => {
                let key = options.key;
                return Err(Failure::input(format!(
                    "the profile uses `{file}` for `{key}`, not `{other}`"
                )));
            }
            (SecretForm::Age { file }, _) => (file.clone(), true),
            (_, Some(file)) => (file.clone(), false),
            (_, None) => (default_file(options.profile, &data_key)?, false),
        };
        let namespace = profile.settings.release.namespace.as_str();
        let place = SealedPlace::new(namespace, &profile.sealed_object(), &data_key)
            .map_err(Failure::bug)?;
        Ok(Self { options, place, purpose: secret.purpose.clone(), file, is_stated })
    }

    /// Returns the key of the secret.
    pub fn key(&self) -> &str {
        self.options.key
    }

    /// Returns the path of the file.
    pub fn path(&self) -> Utf8PathBuf {
        self.options.folder.join(self.file.as_str())
    }

    /// Returns the path of the profile.
    pub fn toml(&self) -> Utf8PathBuf {
        self.options.folder.join(format!("{}.toml", self.options.profile))
    }

    /// Checks whether the file may be written, before the operator types a value in vain.
    ///
    /// # Errors
    ///
    /// When the file exists and is not replaced, or is sealed for another place.
    pub fn check_file(&self) -> Result<(), Failure> {
        let path = self.path();
        if !self.options.replace && fs_err::symlink_metadata(&path).is_ok() {
            return Err(exists(&path));
        }
        self.refuse_other_place(&path)
    }

    /// Refuses to replace a file that is sealed for another place, because another site uses it.
    fn refuse_other_place(&self, path: &Utf8Path) -> Result<(), Failure> {
        let limit = u64::try_from(SEALED_BYTES_MAX).map_err(Failure::bug)?;
        let Some(form) =
            fsio::read_bounded(path, limit).ok().and_then(|bytes| Form::of(&bytes).ok())
        else {
            return Ok(());
        };
        let Stated::Other(other) = form.stated(&self.place) else { return Ok(()) };
        let own = format!("secrets/{}-{}.age", self.options.profile, self.place.key());
        let failure =
            Failure::input(format!("`{path}` is sealed for {other}, not for {}", self.place));
        let failure = match &self.file {
            file if file.as_str() == own => failure,
            _ => failure.hint(format!(
                "use a separate file in `{}`: {} = {{ age = \"{own}\" }}",
                self.toml(),
                self.options.key
            )),
        };
        Err(failure.hint("if no other profile uses the file, delete it first"))
    }

    /// Returns the line that the profile must have, and its place.
    ///
    /// # Errors
    ///
    /// When the profile cannot be read.
    pub fn placement(&self) -> Result<Placement, Failure> {
        let limit = u64::try_from(TEXT_BYTES_MAX).map_err(Failure::bug)?;
        let text = fsio::read_bounded(&self.toml(), limit)?;
        let (key, value) = (self.options.key, format!("{{ age = \"{}\" }}", self.file));
        let found = placement(&String::from_utf8_lossy(&text), key, &value);
        // An item of a list has no line of its own, so only the value can be printed.
        let within = || Where::Into { table: key.to_owned() };
        Ok(found.unwrap_or_else(|| Placement { line: value, place: within() }))
    }

    /// Writes the sealed value, creating the folder of the file if needed.
    ///
    /// # Errors
    ///
    /// When the file has appeared since, or the disk fails.
    pub fn write(&self, value: &SecretBytes, recipients: &Recipients) -> Result<(), Failure> {
        let (path, bytes) = (self.path(), seal(&self.place, value, recipients));
        fs_err::create_dir_all(folder_of(&path))?;
        let written = if self.options.replace {
            write_atomic(&path, &bytes, MODE_PUBLIC, Durability::Synced)
        } else {
            create_new(&path, &bytes, MODE_PUBLIC, Durability::Synced)
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&path),
            _ => error.into(),
        })
    }

    /// Returns warnings about an encryption key.
    pub fn warnings(&self, value: &SecretBytes) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.purpose != SecretPurpose::EncryptionKey {
            return warnings;
        }
        if self.options.replace {
            warnings.push(
                "with a different encryption key, every account and API key of the installation \
                 is lost"
                    .to_owned(),
            );
        }
        let length = String::from_utf8_lossy(value.expose()).chars().count();
        if i64::try_from(length).is_ok_and(|length| length < GENERATED_LENGTH) {
            warnings.push(format!(
                "the encryption key has fewer than {GENERATED_LENGTH} characters: keep it for an \
                 installation that already uses it; it is too weak for a new one"
            ));
        }
        warnings
    }
}

/// Returns the recipients of a sealed value, and a warning if they are not those for sealing. A
/// profile of an earlier version has only recovery recipients, and `apply` then needs the recovery
/// key for every new secret.
///
/// # Errors
///
/// As [`recipients`].
pub fn seal_recipients(
    named: &[String],
    profile: &Profile,
) -> Result<(Recipients, Option<&'static str>), Failure> {
    let release = &profile.settings.release;
    let has_own = !release.seal_recipients.is_empty();
    let of_release = if has_own { &release.seal_recipients } else { &release.recovery_recipients };
    let recipients = recipients(named, Ok(of_release.clone()), SEAL_RECIPIENTS)?;
    let warning = (named.is_empty() && !has_own).then_some(
        "sealed for release.recoveryRecipients: `apply` needs that key to open it; add the \
         operator's key to release.sealRecipients, so that the recovery key stays in its safe",
    );
    Ok((recipients, warning))
}

fn no_secret(options: SealOptions<'_>, keys: &[String]) -> Failure {
    let SealOptions { profile, key, .. } = options;
    Failure::input(format!("profile `{profile}` uses no secret `{key}`"))
        .hint(format!("its secrets are {}", keys.join(", ")))
        .hint("for another, add it to the profile first: KEY = { age = \"secrets/NAME.age\" }")
}

fn default_file(profile: &str, data_key: &str) -> Result<AgeFile, Failure> {
    format!("secrets/{profile}-{data_key}.age")
        .parse()
        .map_err(|error| Failure::input(error).hint("pass a file with --file secrets/NAME.age"))
}

fn exists(path: &Utf8Path) -> Failure {
    Failure::input(format!("`{path}` already exists")).hint(
        "to replace its value, pass --replace; the old value then remains only in commits and \
         copies of the file",
    )
}
