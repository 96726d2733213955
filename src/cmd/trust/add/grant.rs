//! `trust add grant`: adds to a policy which keys may sign which bundles.

use std::num::NonZeroU32;

use camino::Utf8PathBuf;

use super::{append, begin};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::cmd::trust::{count, find_key};
use crate::trust::entry::GrantEntry;
use crate::trust::policy::Pattern;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
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
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    threshold: NonZeroU32,
    /// Refuse bundles with a lower serial
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_serial: u64,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let edit = begin(ctx, &self.file)?;
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
