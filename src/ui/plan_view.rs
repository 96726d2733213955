//! Shows the plan of a rollout, and its result.

use std::io::{self, Write};

use serde::Serialize;

use super::bumps_view::Bumps;
use super::escape::safe;
use super::planned_change_view::write_change;
use super::printer::Report;
use super::reach_view;
use super::secrets_view::{write_recovery, write_values};
use super::style::{ADDED, CHANGED, REMOVED, WARNING, paint};
use crate::bundle::open::Bundle;
use crate::bundle::reach::{Reach, reach};
use crate::diff::restart::{Forecast, Restart};
use crate::model::digest::Digest;
use crate::model::words::{count, first_of};
use crate::rollout::image_state::{ImageFinding, ImageState};
use crate::rollout::outcome::Done;
use crate::rollout::plan::{Action, Plan, Step};
use crate::rollout::recovery_plan::RecoveryPlan;
use crate::trust::refusal::{FoundKey, SignatureResult};
use crate::trust::verify::Verified;

/// The number of reasons that a plan shows for a restart.
const REASONS_SHOWN: usize = 5;

/// A plan, its place and its result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReport<'a> {
    #[serde(flatten)]
    pub bundle: PlannedBundle<'a>,
    pub context: &'a str,
    pub cluster_uid: &'a str,
    pub server_version: &'a str,
    /// The generation whose content the bundle is, for a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_of: Option<u64>,
    /// The hash that approves the plan.
    pub plan_hash: Digest,
    /// Secrets whose values are generated, with their keys.
    pub generated: Vec<String>,
    /// Secrets whose values are replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regenerated: Vec<String>,
    /// Sealed secrets of the bundle, with the keys that are written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<String>,
    /// The recipients and the place of the recovery file; absent if nothing is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPlan>,
    #[serde(flatten)]
    pub plan: &'a Plan,
    /// The images of the bundle, and whether their registries have them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub images: &'a [ImageState],
    /// Absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<&'a Done>,
}

/// The bundle of a plan, and who signed it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedBundle<'a> {
    content_id: String,
    profile: &'a str,
    environment: &'a str,
    namespace: &'a str,
    serial: u64,
    signatures: &'a [FoundKey],
    /// The reach of the bundle beyond the namespace.
    reach: Vec<Reach>,
    #[serde(skip)]
    are_images_locked: bool,
}

impl<'a> PlannedBundle<'a> {
    /// Describes a verified bundle.
    pub fn of(bundle: &'a Verified<Bundle>) -> Self {
        let voucher = bundle.voucher();
        let namespace = bundle.index.namespace.as_str();
        Self {
            content_id: bundle.content_id.prefixed(),
            profile: bundle.index.profile.as_str(),
            environment: bundle.index.environment.as_str(),
            namespace,
            serial: voucher.statement.predicate.serial,
            signatures: &voucher.signatures,
            reach: reach(&bundle.manifests, namespace),
            are_images_locked: bundle.images.is_some(),
        }
    }
}

impl Report for ApplyReport<'_> {
    const SCHEMA: &'static str = "apply/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place = format!("namespace {} of context {}", self.bundle.namespace, self.context);
        let place = safe(&place);
        let Some(Done { generation, is_new, written, pruned, .. }) = self.done else {
            writeln!(out, "plan for {place} ({})", self.cluster_uid)?;
            return self.write_plan(out);
        };
        let generation = generation.unwrap_or_default();
        if *is_new {
            let (written, pruned) = (count(*written, "object"), pruned.len());
            writeln!(
                out,
                "{place} is at generation {generation}: {written} written, {pruned} deleted"
            )
        } else {
            writeln!(out, "{place} is already at generation {generation}; nothing was written")
        }
    }
}

impl ApplyReport<'_> {
    fn write_plan(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_bundle(out)?;
        let values: [&[String]; 3] = [&self.generated, &self.regenerated, &self.sealed];
        write_values(["generate ", "regenerate", "unseal   "], values, out)?;
        self.recovery.iter().try_for_each(|recovery| write_recovery(recovery, out))?;
        self.write_steps(out)?;
        self.write_deletions(out)?;
        for forecast in &self.plan.changes.workloads {
            writeln!(out, "{}", safe(&restart(forecast)))?;
        }
        self.write_images(out)?;
        for warning in &self.plan.changes.warnings {
            writeln!(out, "{} {}", paint(WARNING, "warning:"), safe(&warning.to_string()))?;
        }
        let kept = self.plan.count(Action::Keep);
        writeln!(out, "{} unchanged", count(kept, "object"))?;
        writeln!(out, "plan hash {}", self.plan_hash)
    }

    fn write_bundle(&self, out: &mut dyn Write) -> io::Result<()> {
        let PlannedBundle { profile, environment, serial, signatures, reach, .. } = &self.bundle;
        let of = self.content_of.map(|of| format!("generation {of}, ")).unwrap_or_default();
        let counting = signatures.iter().filter(|key| key.standing == SignatureResult::Counts);
        let signers: Vec<&str> =
            counting.filter_map(|key| Some(key.holder.as_ref()?.as_str())).collect();
        let text = format!(
            "bundle    {of}profile {profile}, environment {environment}, serial {serial}, signed by {}",
            signers.join(", ")
        );
        writeln!(out, "{}", safe(&text))?;
        let lines = reach_view::lines(reach);
        lines.iter().try_for_each(|line| writeln!(out, "reaches   {}", safe(line)))
    }

    /// Writes the changes to all objects. Those of which only the version changes come first.
    fn write_steps(&self, out: &mut dyn Write) -> io::Result<()> {
        let is_plain = |step: &&Step| {
            let is_update = step.action == Action::Update && step.tried;
            is_update && step.forced.is_empty() && step.held_replicas.is_none()
        };
        let change = |step: &Step| self.plan.change_of(&step.key);
        let bumps = Bumps::of(self.plan.steps.iter().filter(is_plain).filter_map(change));
        bumps
            .lines()
            .try_for_each(|line| writeln!(out, "{}    {}", paint(CHANGED, "update"), line))?;
        let is_shown = |step: &&Step| !change(step).is_some_and(|change| bumps.show(change));
        self.plan.steps.iter().filter(is_shown).try_for_each(|step| self.write_step(step, out))
    }

    /// Writes the change to one object.
    fn write_step(&self, step: &Step, out: &mut dyn Write) -> io::Result<()> {
        let (verb, style) = match step.action {
            Action::Create => ("create  ", ADDED),
            Action::Update => ("update  ", CHANGED),
            Action::Conflict => ("conflict", REMOVED),
            Action::Refused => ("refused ", REMOVED),
            Action::Keep => return Ok(()),
        };
        let untried = if step.tried { "" } else { " (no dry run)" };
        writeln!(out, "{}  {}{untried}", paint(style, verb), step.key)?;
        if let Some(change) = self.plan.change_of(&step.key) {
            write_change(change, out)?;
        }
        for conflict in &step.forced {
            let (field, manager) = (safe(&conflict.field), safe(&conflict.manager));
            writeln!(out, "  takes {field} from {manager}")?;
        }
        if let Some(replicas) = step.held_replicas {
            writeln!(out, "  keeps its {replicas} pods until the autoscaler changes the number")?;
        }
        Ok(())
    }

    fn write_deletions(&self, out: &mut dyn Write) -> io::Result<()> {
        let Plan { prune_first, prune, prune_later, .. } = self.plan;
        for (candidates, when) in [
            (prune_first, "before the Deployment"),
            (prune, "after the rollout"),
            (prune_later, "once no revision refers to it"),
        ] {
            for candidate in candidates {
                writeln!(out, "{}    {} {when}", paint(REMOVED, "delete"), candidate.key)?;
            }
        }
        Ok(())
    }

    /// Writes the images. Those that could not be checked are left out if the bundle does not pin
    /// its images.
    fn write_images(&self, out: &mut dyn Write) -> io::Result<()> {
        let is_told = |image: &&ImageState| {
            image.state != ImageFinding::NotChecked || self.bundle.are_images_locked
        };
        let mut images = self.images.iter().filter(is_told);
        images.try_for_each(|image| writeln!(out, "image     {}", safe(&image.to_string())))
    }
}

fn restart(forecast: &Forecast) -> String {
    let reasons = first_of(REASONS_SHOWN, &forecast.reasons, "; ");
    let answer = match forecast.restart {
        Restart::Yes => format!("yes, because {reasons}"),
        Restart::No => "no".to_owned(),
        Restart::Added => "starts".to_owned(),
        Restart::Removed => "ends".to_owned(),
    };
    let line = format!("restart of {}/{}: {answer}", forecast.kind, forecast.name);
    forecast.notes.iter().fold(line, |line, note| format!("{line} ({note})"))
}
