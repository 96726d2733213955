//! Secrets that are made here: generated once and never again, or opened in memory. No value is ever shown.
//!
//! `generated` says what is missing, `encryption_key` what must not happen to the one that is the installation, `sealed`
//! what the bundle brings encrypted; `keeper` encrypts what is generated for recovery, before `make` writes it.

mod encryption_key;
mod generated;
mod keeper;
mod make;
#[cfg(feature = "age")]
mod opening;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cmd::failure::Failure;
use crate::cmd::journal::Journal;
use crate::rollout::record::Item;
use crate::rollout::rights::Right;
use crate::ui::printer::Printer;
pub(crate) use generated::note_generations;
use generated::{Making, Why};
use keeper::Keeper;
#[cfg(feature = "age")]
pub(crate) use keeper::recovery_recipients;
#[cfg(feature = "age")]
pub(crate) use opening::open;
pub(crate) use sealed::Opened;
#[cfg(feature = "age")]
pub(crate) use {generated::GENERATIONS, sealed::SEALED};

/// Keys of Secrets whose values come from elsewhere.
pub(crate) type Coming = BTreeMap<String, BTreeSet<String>>;

/// What is to be made.
#[derive(Default)]
pub(crate) struct Makings {
    generated: Vec<Making>,
    /// Secrets of sealed values, with the keys that are written.
    sealed: Vec<(String, Vec<String>)>,
    /// Who keeps what is generated; nobody if nothing is, or a person said so.
    keeper: Option<Keeper>,
    /// Whether a person has still to say that the relay has never run here.
    asks_first_install: bool,
    /// What could not be looked at before the encryption key is made.
    unseen: Option<String>,
}

/// What a person said about secrets.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Consent<'a> {
    pub(crate) first_install: bool,
    pub(crate) no_recovery: bool,
    pub(crate) allow_regenerate: bool,
    /// Where the recovery file is to be.
    pub(crate) recovery_file: Option<&'a Utf8Path>,
    /// Whether somebody can be asked.
    pub(crate) can_ask: bool,
}

/// What decides about secrets, besides the cluster.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) bundle: &'a Bundle,
    pub(crate) opened: Option<&'a Opened>,
    /// Whether it is gone back to what ran before.
    pub(crate) goes_back: bool,
    /// Whether what runs was not installed by this program, and it is known already which key it has.
    pub(crate) adopts: bool,
}

/// Looks at what is there, and refuses to make what could cost data.
pub(crate) fn survey(
    context: Context<'_>,
    was_deployed: bool,
    earlier: &[Item],
    consent: Consent<'_>,
) -> Result<Makings, Failure> {
    survey_beside(context, was_deployed, earlier, consent, &Coming::new())
}

/// As [`survey`], where values come from elsewhere before anything is made.
pub(crate) fn survey_beside(
    Context { cluster, bundle, opened, goes_back, adopts }: Context<'_>,
    was_deployed: bool,
    earlier: &[Item],
    consent: Consent<'_>,
    coming: &Coming,
) -> Result<Makings, Failure> {
    let sealed = sealed::survey(cluster, bundle, opened)?;
    let sealed = sealed.iter().map(sealed::Sealing::describe).collect();
    let generated = generated::survey(cluster, bundle, goes_back, consent.allow_regenerate)?;
    let generated: Vec<Making> = generated.into_iter().filter_map(|making| making.without(coming)).collect();
    if !adopts {
        encryption_key::check_change(cluster, bundle, opened, earlier)?;
    }
    let (mut asks_first_install, mut unseen) = (false, None);
    if let Some(making) = generated.iter().find(|making| making.is_encryption_key) {
        unseen = encryption_key::check_making(cluster, bundle, making, was_deployed)?;
        asks_first_install = !consent.first_install;
        if asks_first_install && !consent.can_ask {
            return Err(encryption_key::no_consent(making));
        }
    }
    let keeper = if generated.is_empty() || consent.no_recovery {
        None
    } else {
        Keeper::of(bundle, &generated, consent.recovery_file)?
    };
    Ok(Makings { generated, sealed, keeper, asks_first_install, unseen })
}

impl Makings {
    /// Tells whether there is nothing to make.
    pub(crate) fn is_empty(&self) -> bool {
        self.generated.is_empty() && self.sealed.is_empty()
    }

    /// Returns what must be allowed to write them.
    pub(crate) fn rights(&self, namespace: &str) -> Vec<Right> {
        let generated = self.generated.iter().map(|making| making.key.name.as_str());
        let names = generated.chain(self.sealed.iter().map(|(name, _)| name.as_str()));
        names
            .flat_map(|name| {
                [
                    Right::to_all("create", "Secret", namespace),
                    Right::to_one("update", "Secret", namespace, name),
                ]
            })
            .collect()
    }

    /// Tells whether the encryption key is generated, and nobody has agreed yet.
    pub(crate) fn asks_first_install(&self) -> bool {
        self.asks_first_install
    }

    /// Says what could not be looked at, and might have forbidden to make them.
    pub(crate) fn tell_unseen(&self, printer: &Printer) {
        if let Some(unseen) = &self.unseen {
            printer.warn(unseen);
        }
    }

    /// Says what is generated where none is.
    pub(crate) fn generated(&self) -> Vec<String> {
        self.described(Why::Missing)
    }

    /// Says what is generated in place of something else.
    pub(crate) fn regenerated(&self) -> Vec<String> {
        self.described(Why::Raised)
    }

    /// Says which sealed values are written.
    pub(crate) fn sealed(&self) -> Vec<String> {
        self.sealed.iter().map(|(name, keys)| format!("Secret/{name}: {}", keys.join(", "))).collect()
    }

    /// Says all that is made.
    pub(crate) fn all(&self) -> Vec<String> {
        [self.generated(), self.regenerated(), self.sealed()].concat()
    }

    fn described(&self, why: Why) -> Vec<String> {
        self.generated.iter().filter_map(|making| making.describe(why)).collect()
    }

    /// Makes everything; returns where the recovery files are.
    pub(crate) fn make(
        &self,
        context: Context<'_>,
        journal: &mut Journal<'_>,
    ) -> Result<Vec<Utf8PathBuf>, Failure> {
        make::make(self, context, journal)
    }
}
