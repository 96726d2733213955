//! `gc --live`: removes unreferenced ConfigMaps from the cluster.

use std::io::{self, Write};

use serde::Serialize;

use super::args::installation::InstallationArgs;
use super::confirm::place;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::host;
use super::operator::{Approval, View, carry_through};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::install::event::Event;
use crate::install::garbage::{GarbageCollection, UnusedConfigMap};
use crate::install::record::Turn;
use crate::model::words::count;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The options of a live collection.
pub(super) struct How {
    pub(super) dry_run: bool,
    pub(super) yes: bool,
    pub(super) break_lock: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GcLiveReport<'a> {
    name: &'a str,
    namespace: &'a str,
    context: &'a str,
    cluster_uid: &'a str,
    /// Whether they were removed.
    removed: bool,
    config_maps: &'a [UnusedConfigMap],
}

impl Report for GcLiveReport<'_> {
    const SCHEMA: &'static str = "gc-live/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.config_maps
            .iter()
            .try_for_each(|garbage| writeln!(out, "ConfigMap/{}", safe(&garbage.name)))
    }
}

/// Finds unreferenced ConfigMaps, asks, and removes them.
pub(super) fn collect(ctx: &Ctx, installation: &InstallationArgs, how: &How) -> Outcome {
    let cluster = installation.connect(&ctx.printer)?;
    let identity = cluster.identity()?;
    let journal = installation.open(&cluster)?;
    let observe = |event: &Event<'_>| ctx.observe(event);
    let turn = Turn::of(how.dry_run, how.break_lock);
    let mut collection = GarbageCollection::plan(host(&observe), journal, turn)?;
    let view = GcLiveView { cluster: &cluster, identity: &identity };
    carry_through(ctx, Approval::of(how.dry_run, how.yes), &mut collection, &view)
}

struct GcLiveView<'a> {
    cluster: &'a Cluster,
    identity: &'a ClusterIdentity,
}

impl<'c> View<GarbageCollection<'c>> for GcLiveView<'_> {
    type Report<'a>
        = GcLiveReport<'a>
    where
        Self: 'a,
        'c: 'a;

    fn report<'a>(
        &'a self,
        collection: &'a GarbageCollection<'c>,
        done: Option<&'a Vec<UnusedConfigMap>>,
    ) -> GcLiveReport<'a> {
        let (name, namespace) = collection.place();
        GcLiveReport {
            name: name.as_str(),
            namespace,
            context: &self.cluster.context,
            cluster_uid: &self.identity.uid,
            removed: done.is_some_and(|removed| !removed.is_empty()),
            config_maps: done.map_or(collection.garbage(), Vec::as_slice),
        }
    }

    fn question(&self, collection: &GarbageCollection<'_>) -> String {
        let place = place(self.cluster, self.identity, None, collection.place().1);
        format!("Remove {} from {place}?", number(collection.garbage()))
    }

    fn closing(
        &self,
        collection: &GarbageCollection<'_>,
        done: Option<&Vec<UnusedConfigMap>>,
    ) -> Option<String> {
        let removed = done.filter(|removed| !removed.is_empty());
        let planned = || {
            let namespace = collection.place().1;
            format!("{} in namespace {namespace}", number(collection.garbage()))
        };
        Some(removed.map_or_else(planned, |removed| {
            format!("removed {}", count(removed.len(), "ConfigMap"))
        }))
    }
}

fn number(garbage: &[UnusedConfigMap]) -> String {
    count(garbage.len(), "unreferenced ConfigMap")
}
