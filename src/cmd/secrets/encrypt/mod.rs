//! `secrets encrypt`: seals a value into the file that a profile names for it.

mod report;

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};

use self::report::EncryptReport;
use super::{openers, value};
use crate::cmd::ctx::{Ctx, ProfileArgs};
use crate::cmd::exit_code::Outcome;
use crate::model::text::{AgeFile, AgeRecipient};
use crate::profile::placement::Where;
use crate::profile_folder::ProfileFolder;
use crate::sealed::Recipients;
use crate::sealing::seal::{SEAL_RECIPIENTS, SealOptions, SealTarget, seal_recipients};

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Asks for the value on the terminal without echo, or reads it with --value-file. It is never an \
argument, which other processes could see. One trailing line break is ignored.

Writes the file below the folder of the profiles, at the path set in the profile:
  config.jwtSecret = { age = \"secrets/x.age\" }
If the profile has no path yet, add the printed line. Commit the file: only the private key of a \
recipient opens it, and it is valid only for the namespace, Secret and key for which it was sealed.

Examples:
  relay-bundle secrets encrypt production config.jwtSecret
  relay-bundle secrets encrypt production redis.auth.password \\
      --value-file password.txt --recipient age1…
  head -c 24 /dev/urandom | base64 |
      relay-bundle secrets encrypt production config.adminPassword \\
      --value-file -"
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

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let files = ProfileFolder::unprepared(&self.profiles.profiles);
        let concerns = |path: &str| self.concerns(path);
        let profile = ctx.load_about(&self.profile, &self.profiles, &files, &concerns)?;
        let target = SealTarget::find(&profile, self.options())?;
        let (recipients, warning) = seal_recipients(&self.recipients, &profile)?;
        if let Some(warning) = warning {
            ctx.printer.warn(warning);
        }
        let placement = target.placement()?;
        target.check_file()?;
        let value = value::read(self.value_file.as_deref(), &self.key)?;
        target.write(&value, &recipients)?;
        self.tell(ctx, &target, &recipients);
        target.warnings(&value).iter().for_each(|warning| ctx.printer.warn(warning));
        if !target.is_stated {
            self.tell_place(ctx, &target.toml(), &placement.place);
        }
        let quiet = ctx.printer.quiet;
        ctx.printer.report(&EncryptReport::of(&target, placement, &recipients, quiet))?;
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> SealOptions<'_> {
        SealOptions {
            folder: &self.profiles.profiles,
            profile: &self.profile,
            key: &self.key,
            file: self.file.as_ref(),
            replace: self.replace,
        }
    }

    /// Returns whether a diagnostic about `path` concerns this command.
    fn concerns(&self, path: &str) -> bool {
        let default = self.recipients.is_empty().then_some(SEAL_RECIPIENTS);
        [Some(self.key.as_str()), default].into_iter().flatten().any(|key| path.starts_with(key))
    }

    /// Reports the sealed file and its recipients.
    fn tell(&self, ctx: &Ctx, target: &SealTarget<'_>, recipients: &Recipients) {
        let keys: Vec<&str> = recipients.iter().map(AgeRecipient::as_str).collect();
        ctx.printer.say_lines(&format!(
            "sealed {} for {} in {}\nit can be opened with the private key of {}: {}",
            self.key,
            target.place,
            target.path(),
            openers(keys.len()),
            keys.join(", ")
        ));
    }

    /// Tells the operator where the printed line goes.
    fn tell_place(&self, ctx: &Ctx, toml: &Utf8Path, place: &Where) {
        let place = match place {
            Where::Top => "above its first table".to_owned(),
            Where::Under { table, at } => format!("below `{table}` in line {at}"),
            Where::Instead { at } => format!("replacing `{}` in line {at}", self.key),
            Where::Into { table } => format!("in its `{table}`"),
        };
        ctx.printer.say(&format!("add this to `{toml}`, {place}:"));
    }
}
