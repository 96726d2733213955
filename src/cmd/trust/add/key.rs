//! `trust add key`: adds a key and its holder to a policy.

use camino::Utf8PathBuf;

use super::{append, begin};
use crate::cmd::clock;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::keyring::public_key::load_or_parse;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};
use crate::trust::entry::{KeyEntry, VALID_DAYS};
use crate::trust::policy::KeyStatus;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy
    file: Utf8PathBuf,
    /// The public key: a PEM file, or SPKI in base64
    #[arg(long, value_name = "PEM")]
    key: String,
    /// The holder of the key; two keys of one holder count as one signer
    #[arg(long, value_name = "NAME")]
    holder: Label,
    /// The start of its validity; by default it also covers earlier signatures
    #[arg(long, value_name = "TIME")]
    not_before: Option<Timestamp>,
    /// The end of its validity; two years from now by default
    #[arg(long, value_name = "TIME")]
    not_after: Option<Timestamp>,
    /// `active`, `retired` (counts only for what is deployed) or `revoked` (never counts)
    #[arg(long, value_name = "STATUS", default_value = "active")]
    status: KeyStatus,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let edit = begin(ctx, &self.file)?;
        let public = load_or_parse(&self.key)?;
        if let Some(known) = edit.policy().keys().get(&public.id()) {
            return Err(Failure::input(format!(
                "`{}` already has this key: {} of {}",
                self.file,
                public.id(),
                known.holder
            ))
            .hint("to change its validity or status, edit the file"));
        }
        let from_now = || Ok(clock::now()?.plus_seconds(VALID_DAYS * DAY_SECONDS));
        let entry = KeyEntry {
            public,
            holder: self.holder,
            // No start date by default: a bundle that came with the key was signed before.
            not_before: self.not_before,
            not_after: Some(self.not_after.map_or_else(from_now, Ok::<_, Failure>)?),
            status: self.status,
        };
        append(ctx, edit, entry.to_string())
    }
}

impl clap::ValueEnum for KeyStatus {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Active, Self::Retired, Self::Revoked]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}
