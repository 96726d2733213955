//! `secrets encrypt`: seals a value into the file that a profile names for it.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::recipients::{openers, recipients};
use super::value;
use crate::age_file::{Form, Place, SEALED_BYTES_MAX, Stated};
use crate::cmd::ctx::{Ctx, Folder, ProfileArgs, Unprepared};
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio::{self, Durability, MODE_PUBLIC, create_new, folder_of, write_atomic};
use crate::model::secret::{GENERATED_LENGTH, SecretForm};
use crate::model::text::{AgeFile, AgeRecipient};
use crate::profile::parse::TEXT_BYTES_MAX;
use crate::profile::placement::{Placement, Where, placement};
use crate::profile::resolve::{Profile, Purpose};
use crate::sealed::{Recipients, SecretBytes, seal};
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Asks for the value on the terminal without echo, or reads it with --value-file. It is never an
argument, which other processes could see. One trailing line break is ignored.

Writes the file below the folder of the profiles, at the path set in the profile:
  config.jwtSecret = { age = \"secrets/x.age\" }
If the profile has no path yet, add the printed line. Commit the file: only the private key of a
recipient opens it, and it is valid only for the namespace, Secret and key for which it was sealed.

Examples:
  relay-bundle secrets encrypt production config.jwtSecret
  relay-bundle secrets encrypt production redis.auth.password --value-file password.txt --recipient age1…
  head -c 24 /dev/urandom | base64 | relay-bundle secrets encrypt production config.adminPassword --value-file -"
)]
pub(super) struct Args {
    /// The profile
    profile: String,
    /// The key of the secret, such as config.jwtSecret
    key: String,
    /// Read the value from a file with mode 0600 or a pipe; `-` is stdin
    #[arg(long, value_name = "FILE")]
    value_file: Option<Utf8PathBuf>,
    /// A public key that can open it; repeatable [default: the profile's release.sealRecipients]
    // Parsed later, because clap's error would print a private key that was passed by mistake.
    #[arg(long = "recipient", value_name = "AGE1")]
    recipients: Vec<String>,
    /// The file below the folder of the profiles, if the profile sets none [default:
    /// secrets/PROFILE-DATAKEY.age, where DATAKEY is the key of the Secret, such as jwt-secret]
    #[arg(long, value_name = "FILE")]
    file: Option<AgeFile>,
    /// Replace an existing file, unless it is sealed for another place
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    profiles: ProfileArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EncryptReport {
    path: Utf8PathBuf,
    key: String,
    namespace: String,
    secret: String,
    secret_key: String,
    recipients: Vec<AgeRecipient>,
    /// The line that the profile must have. `under` is the table header above it.
    entry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    under: Option<String>,
    /// Whether the profile has the line already.
    stated: bool,
    /// Whether stderr stays silent, so that the entry must say where it goes.
    #[serde(skip)]
    quiet: bool,
}

impl Report for EncryptReport {
    const SCHEMA: &'static str = "secrets-encrypt/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.under {
            _ if self.stated => Ok(()),
            Some(table) if self.quiet => writeln!(out, "{}  # below {table}", self.entry),
            _ => writeln!(out, "{}", self.entry),
        }
    }
}

/// The profile key with the recipients of sealed secrets.
const SEAL_RECIPIENTS: &str = "release.sealRecipients";

/// A secret of a profile, and the file for it.
struct Target {
    place: Place,
    purpose: Purpose,
    file: AgeFile,
    /// Whether the profile names the file.
    stated: bool,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let files = Unprepared(Folder::new(&self.profiles.profiles));
        let concerns = |path: &str| self.concerns(path);
        let profile = ctx.load_about(&self.profile, &self.profiles, &files, &concerns)?;
        let target = self.target(&profile)?;
        let recipients = self.chosen_recipients(ctx, &profile)?;
        let placement = self.placement(&target)?;
        let path = self.profiles.profiles.join(target.file.as_str());
        // Checked before the operator types a value in vain.
        if !self.replace && fs_err::symlink_metadata(&path).is_ok() {
            return Err(is_there(&path));
        }
        self.refuse_other_place(&path, &target)?;
        let value = value::read(self.value_file.as_deref(), &self.key)?;
        write(&path, &seal(&target.place, &value, &recipients), self.replace)?;
        self.tell(ctx, &target, &value, &path, &recipients);
        if !target.stated {
            self.tell_place(ctx, &placement.place);
        }
        ctx.printer.report(&EncryptReport {
            path,
            namespace: target.place.namespace().to_owned(),
            secret: target.place.name().to_owned(),
            secret_key: target.place.key().to_owned(),
            recipients: recipients.iter().cloned().collect(),
            entry: placement.line,
            under: match placement.place {
                Where::Under { table, .. } => Some(table),
                Where::Top | Where::Instead { .. } | Where::Into { .. } => None,
            },
            stated: target.stated,
            quiet: ctx.printer.quiet,
            key: self.key,
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the recipients. A profile of an earlier version has only recovery recipients: they
    /// are used with a warning, because `apply` then needs the recovery key for every new secret.
    fn chosen_recipients(&self, ctx: &Ctx, profile: &Profile) -> Result<Recipients, Failure> {
        let release = &profile.settings.release;
        let has_own = !release.seal_recipients.is_empty();
        let of_release =
            if has_own { &release.seal_recipients } else { &release.recovery_recipients };
        let recipients = recipients(&self.recipients, Ok(of_release.clone()), SEAL_RECIPIENTS)?;
        if self.recipients.is_empty() && !has_own {
            ctx.printer.warn(
                "sealed for release.recoveryRecipients: `apply` needs that key to open it; add the \
                 operator's key to release.sealRecipients, so that the recovery key stays in its \
                 safe",
            );
        }
        Ok(recipients)
    }

    /// Returns the secret that the argument selects, and the file for it.
    fn target(&self, profile: &Profile) -> Result<Target, Failure> {
        let secrets = profile.secrets();
        let meant =
            secrets.iter().find(|secret| profile.key_of(&secret.purpose).to_string() == self.key);
        let secret = meant.ok_or_else(|| {
            let keys = secrets.iter().map(|secret| profile.key_of(&secret.purpose).to_string());
            Failure::input(format!("profile `{}` uses no secret `{}`", self.profile, self.key))
                .hint(format!("its secrets are {}", keys.collect::<Vec<_>>().join(", ")))
                .hint(
                    "for another, add it to the profile first: KEY = { age = \"secrets/NAME.age\" \
                     }",
                )
        })?;
        let data_key = secret.purpose.data_key();
        let (file, stated) = match (secret.form, &self.file) {
            (SecretForm::Age { file }, Some(other)) if file != other => {
                return Err(Failure::input(format!(
                    "the profile uses `{file}` for `{}`, not `{other}`",
                    self.key
                )));
            }
            (SecretForm::Age { file }, _) => (file.clone(), true),
            (_, Some(file)) => (file.clone(), false),
            (_, None) => {
                let name = format!("secrets/{}-{data_key}.age", self.profile);
                let file = name.parse().map_err(|error| {
                    Failure::input(error).hint("pass a file with --file secrets/NAME.age")
                })?;
                (file, false)
            }
        };
        let namespace = profile.settings.release.namespace.as_str();
        let place =
            Place::new(namespace, &profile.sealed_object(), &data_key).map_err(Failure::bug)?;
        Ok(Target { place, purpose: secret.purpose.clone(), file, stated })
    }

    /// Returns whether a diagnostic about `path` concerns this command.
    fn concerns(&self, path: &str) -> bool {
        let default = self.recipients.is_empty().then_some(SEAL_RECIPIENTS);
        [Some(self.key.as_str()), default].into_iter().flatten().any(|key| path.starts_with(key))
    }

    fn toml(&self) -> Utf8PathBuf {
        self.profiles.profiles.join(format!("{}.toml", self.profile))
    }

    /// Refuses to replace a file that is sealed for another place, because another site uses it.
    fn refuse_other_place(&self, path: &Utf8Path, target: &Target) -> Result<(), Failure> {
        let limit = u64::try_from(SEALED_BYTES_MAX).map_err(Failure::bug)?;
        let Some(form) =
            fsio::read_bounded(path, limit).ok().and_then(|bytes| Form::of(&bytes).ok())
        else {
            return Ok(());
        };
        let Stated::Other(other) = form.stated(&target.place) else { return Ok(()) };
        let own = format!("secrets/{}-{}.age", self.profile, target.place.key());
        let failure =
            Failure::input(format!("`{path}` is sealed for {other}, not for {}", target.place));
        let failure = match &target.file {
            file if file.as_str() == own => failure,
            _ => failure.hint(format!(
                "use a separate file in `{}`: {} = {{ age = \"{own}\" }}",
                self.toml(),
                self.key
            )),
        };
        Err(failure.hint("if no other profile uses the file, delete it first"))
    }

    /// Returns the line that the profile must have, and its place.
    fn placement(&self, target: &Target) -> Result<Placement, Failure> {
        let limit = u64::try_from(TEXT_BYTES_MAX).map_err(Failure::bug)?;
        let text = fsio::read_bounded(&self.toml(), limit)?;
        let value = format!("{{ age = \"{}\" }}", target.file);
        let found = placement(&String::from_utf8_lossy(&text), &self.key, &value);
        // An item of a list has no line of its own, so only the value can be printed.
        Ok(found
            .unwrap_or(Placement { line: value, place: Where::Into { table: self.key.clone() } }))
    }

    /// Tells the operator where the printed line goes.
    fn tell_place(&self, ctx: &Ctx, place: &Where) {
        let toml = self.toml();
        let place = match place {
            Where::Top => "above its first table".to_owned(),
            Where::Under { table, at } => format!("below `{table}` in line {at}"),
            Where::Instead { at } => format!("replacing `{}` in line {at}", self.key),
            Where::Into { table } => format!("in its `{table}`"),
        };
        ctx.printer.say(&format!("add this to `{toml}`, {place}:"));
    }

    /// Reports the sealed file and its recipients, with warnings about an encryption key.
    fn tell(
        &self,
        ctx: &Ctx,
        target: &Target,
        value: &SecretBytes,
        path: &Utf8Path,
        recipients: &Recipients,
    ) {
        let keys: Vec<&str> = recipients.iter().map(AgeRecipient::as_str).collect();
        ctx.printer.say_lines(&format!(
            "sealed {} for {} in {path}\nit can be opened with the private key of {}: {}",
            self.key,
            target.place,
            openers(keys.len()),
            keys.join(", ")
        ));
        if target.purpose != Purpose::EncryptionKey {
            return;
        }
        if self.replace {
            ctx.printer.tell(
                "warning: with a different encryption key, every account and API key of the \
                 installation is lost",
            );
        }
        let length = String::from_utf8_lossy(value.expose()).chars().count();
        if i64::try_from(length).is_ok_and(|length| length < GENERATED_LENGTH) {
            ctx.printer.tell(&format!(
                "warning: the encryption key has fewer than {GENERATED_LENGTH} characters: keep it \
                 for an installation that already uses it; it is too weak for a new one"
            ));
        }
    }
}

/// Writes the file, creating its folder if needed.
fn write(path: &Utf8Path, bytes: &[u8], replace: bool) -> Result<(), Failure> {
    fs_err::create_dir_all(folder_of(path))?;
    let written = if replace {
        write_atomic(path, bytes, MODE_PUBLIC, Durability::Synced)
    } else {
        create_new(path, bytes, MODE_PUBLIC, Durability::Synced)
    };
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(path),
        _ => error.into(),
    })
}

fn is_there(path: &Utf8Path) -> Failure {
    Failure::input(format!("`{path}` already exists")).hint(
        "to replace its value, pass --replace; the old value then remains only in commits and \
         copies of the file",
    )
}
