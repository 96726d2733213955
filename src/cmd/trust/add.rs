//! `trust add`: appends a key, grant or revoked content to the text of a policy.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::edit::PolicyEdit;
use super::find_key;
use crate::cmd::args::trust::load_key;
use crate::cmd::clock;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};
use crate::trust::entry::{GrantEntry, KeyEntry, VALID_DAYS};
use crate::trust::key::PublicKey;
use crate::trust::policy::{Pattern, Status};
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "Appends the new entry, and keeps existing entries and comments unchanged.

Examples:
  relay-bundle trust add key trust.toml --key signing.pub.pem --holder build-desk
  relay-bundle trust add grant trust.toml --bundle claude-relay --profile production \\
      --environment production --namespace claude-relay --key build-desk --key release-desk \\
      --threshold 2
  relay-bundle trust add revoked-content trust.toml --content-id sha256:1f0c9a2b…")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Add a key and its holder
    Key(KeyArgs),
    /// Add a grant: which keys may sign which bundles
    Grant(GrantArgs),
    /// Revoke content, so that it is never accepted
    RevokedContent(ContentArgs),
}

#[derive(Debug, clap::Args)]
struct KeyArgs {
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
    status: Status,
}

#[derive(Debug, clap::Args)]
struct GrantArgs {
    /// The policy
    file: Utf8PathBuf,
    /// The name of a bundle, or a prefix such as `claude-*`; repeatable
    #[arg(long = "bundle", value_name = "NAME", required = true)]
    bundles: Vec<Pattern>,
    /// A profile, or a prefix; repeatable
    #[arg(long = "profile", value_name = "NAME", required = true)]
    profiles: Vec<Pattern>,
    /// An environment, or a prefix; repeatable
    #[arg(long = "environment", value_name = "NAME", required = true)]
    environments: Vec<Pattern>,
    /// A namespace, or a prefix; repeatable; any by default
    #[arg(long = "namespace", value_name = "NAME")]
    namespaces: Vec<Pattern>,
    /// A key of the policy: its holder, or at least 8 digits of its id; repeatable
    #[arg(long = "key", value_name = "HOLDER|ID", required = true)]
    keys: Vec<String>,
    /// How many holders must have signed
    #[arg(long, value_name = "N", default_value = "1", value_parser = super::count)]
    threshold: NonZeroU32,
    /// Refuse bundles with a lower serial
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_serial: u64,
}

#[derive(Debug, clap::Args)]
struct ContentArgs {
    /// The policy
    file: Utf8PathBuf,
    /// The content id, with or without `sha256:`
    #[arg(long, value_name = "ID")]
    content_id: String,
}

#[derive(Serialize)]
struct AddReport {
    path: Utf8PathBuf,
    /// The appended text.
    added: String,
}

impl Report for AddReport {
    const SCHEMA: &'static str = "trust-add/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}", self.added)
    }
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        match self.what {
            What::Key(args) => args.run(ctx),
            What::Grant(args) => args.run(ctx),
            What::RevokedContent(args) => args.run(ctx),
        }
    }
}

impl KeyArgs {
    fn run(self, ctx: &Ctx) -> Outcome {
        let edit = PolicyEdit::begin(ctx, &self.file)?;
        let public = if self.key.starts_with("MCow") && !Utf8Path::new(&self.key).exists() {
            PublicKey::from_base64(&self.key)
                .map_err(|error| Failure::input(format!("`--key`: {error}")))?
        } else {
            load_key(Utf8Path::new(&self.key))?
        };
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

impl GrantArgs {
    fn run(self, ctx: &Ctx) -> Outcome {
        let edit = PolicyEdit::begin(ctx, &self.file)?;
        let keys = self.keys.iter().map(|named| find_key(edit.policy(), &self.file, named));
        let entry = GrantEntry {
            bundles: self.bundles,
            profiles: self.profiles,
            environments: self.environments,
            namespaces: self.namespaces,
            keys: keys.collect::<Result<_, _>>()?,
            threshold: self.threshold,
            min_serial: self.min_serial,
        };
        append(ctx, edit, entry.to_string())
    }
}

impl ContentArgs {
    fn run(self, ctx: &Ctx) -> Outcome {
        let edit = PolicyEdit::begin(ctx, &self.file)?;
        let digits = self.content_id.strip_prefix("sha256:").unwrap_or(&self.content_id);
        let content: Digest = digits.parse().map_err(Failure::input)?;
        if edit.policy().revoked_content().contains(&content) {
            return Err(Failure::input(format!(
                "`{}` already revokes sha256:{content}",
                self.file
            )));
        }
        append(ctx, edit, format!("[[revokedContent]]\nsha256 = \"{content}\"\n"))
    }
}

/// Appends an entry, and reports it.
fn append(ctx: &Ctx, edit: PolicyEdit<'_>, added: String) -> Outcome {
    let path = edit.path();
    edit.append(&added)?;
    ctx.printer.say(&format!("added to {path}; check it with `relay-bundle trust check {path}`"));
    ctx.printer.report(&AddReport { path: path.to_owned(), added })?;
    Ok(ExitCode::SUCCESS)
}

impl clap::ValueEnum for Status {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Active, Self::Retired, Self::Revoked]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}
