//! The report of `apply`: the plan and its result.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::images::are_locked;
use crate::bundle::reach::{Reach, reach};
use crate::cluster::{Cluster, Identity};
use crate::cmd::ctx::count;
use crate::cmd::image_presence::{ImageFinding, ImageState};
use crate::diff::changes::ObjectChange;
use crate::diff::restart::{Forecast, Restart};
use crate::failure::Failure;
use crate::install::checked::Checked;
use crate::install::run::Done;
use crate::install::secrets::{Makings, RecoveryPlan};
use crate::model::digest::Digest;
use crate::rollout::plan::{Action, Plan};
use crate::rollout::plan_hash::{Purpose, SecretVersions, bound, plan_hash};
use crate::trust::refusal::{FoundKey, Standing};
use crate::ui::diff_view::write_fields;
use crate::ui::escape::safe;
use crate::ui::printer::{Printer, Report};
use crate::ui::reach_view;

/// A plan, its place and its result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplyReport<'a> {
    content_id: String,
    profile: &'a str,
    environment: &'a str,
    serial: u64,
    signatures: &'a [FoundKey],
    context: &'a str,
    cluster_uid: &'a str,
    server_version: &'a str,
    namespace: &'a str,
    /// The reach of the bundle beyond the namespace.
    reach: Vec<Reach>,
    /// The generation whose content the bundle is, for a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_of: Option<u64>,
    /// The hash that approves the plan.
    plan_hash: Digest,
    /// Secrets whose values are generated, with their keys.
    generated: Vec<String>,
    /// Secrets whose values are replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regenerated: Vec<String>,
    /// Sealed secrets of the bundle, with the keys that are written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sealed: Vec<String>,
    /// The recipients and the place of the recovery file; absent if nothing is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<RecoveryPlan>,
    #[serde(flatten)]
    plan: &'a Plan,
    /// The images of the bundle, and whether their registries have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<ImageState>,
    #[serde(skip)]
    are_images_locked: bool,
    /// Absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) done: Option<Done>,
}

impl<'a> ApplyReport<'a> {
    pub(super) fn new(
        checked: &'a Checked,
        cluster: &'a Cluster,
        identity: &'a Identity,
        plan: &'a Plan,
        makings: &Makings,
        secrets: &SecretVersions,
    ) -> Self {
        let bundle = checked.bundle();
        let voucher = bundle.voucher();
        let (serial, namespace) =
            (voucher.statement.predicate.serial, bundle.index.namespace.as_str());
        let (secrets_made, recovery) = (makings.all(), makings.recovery());
        let purpose = Purpose {
            cluster_uid: &identity.uid,
            namespace,
            content_id: bundle.content_id,
            serial,
            content_of: checked.origin.generation(),
            generated: &secrets_made,
            recipients: recovery.as_ref().map_or(&[], |recovery| &recovery.recipients),
            strange: makings.strange(),
        };
        Self {
            content_id: format!("sha256:{}", bundle.content_id),
            profile: bundle.index.profile.as_str(),
            environment: bundle.index.environment.as_str(),
            serial,
            signatures: &voucher.signatures,
            context: &cluster.context,
            cluster_uid: &identity.uid,
            server_version: &identity.version,
            namespace,
            reach: reach(&bundle.manifests, namespace),
            content_of: purpose.content_of,
            plan_hash: plan_hash(purpose, plan, secrets),
            generated: makings.generated(),
            regenerated: makings.regenerated(),
            sealed: makings.sealed(),
            recovery,
            plan,
            images: Vec::new(),
            are_images_locked: are_locked(checked),
            done: None,
        }
    }

    /// Returns the hash of the plan.
    pub(super) fn plan_hash(&self) -> Digest {
        self.plan_hash
    }

    /// Binds the plan hash to additional content.
    pub(super) fn bind(&mut self, more: &Value) {
        self.plan_hash = bound(self.plan_hash, more);
    }

    fn write_bundle(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { profile, environment, serial, .. } = self;
        let of = self.content_of.map(|of| format!("generation {of}, ")).unwrap_or_default();
        let counting = self.signatures.iter().filter(|key| key.standing == Standing::Counts);
        let signers: Vec<&str> =
            counting.filter_map(|key| Some(key.holder.as_ref()?.as_str())).collect();
        let text = format!(
            "bundle    {of}profile {profile}, environment {environment}, serial {serial}, signed by {}",
            signers.join(", ")
        );
        writeln!(out, "{}", safe(&text))?;
        reach_view::lines(&self.reach)
            .iter()
            .try_for_each(|line| writeln!(out, "reaches   {}", safe(line)))
    }

    fn write_plan(&self, out: &mut dyn Write) -> io::Result<()> {
        for (verb, secrets) in [
            ("generate ", &self.generated),
            ("regenerate", &self.regenerated),
            ("unseal   ", &self.sealed),
        ] {
            for secret in secrets {
                writeln!(out, "{verb} {secret}")?;
            }
        }
        if let Some(recovery) = &self.recovery {
            writeln!(out, "{}", safe(&recovery.to_string()))?;
        }
        for step in &self.plan.steps {
            let verb = match step.action {
                Action::Create => "create  ",
                Action::Update => "update  ",
                Action::Conflict => "conflict",
                Action::Refused => "refused ",
                Action::Keep => continue,
            };
            let untried = if step.tried { "" } else { " (no dry run)" };
            writeln!(out, "{verb}  {}{untried}", step.key)?;
            if let Some(change) = self.plan.change_of(&step.key) {
                write_changes(change, out)?;
            }
            for conflict in &step.forced {
                writeln!(
                    out,
                    "  takes {} from {}",
                    safe(&conflict.field),
                    safe(&conflict.manager)
                )?;
            }
            if let Some(replicas) = step.held_replicas {
                writeln!(
                    out,
                    "  keeps its {replicas} pods until the autoscaler changes the number"
                )?;
            }
        }
        let first = self.plan.prune_first.iter().map(|gone| (gone, "before the Deployment"));
        let gone = self.plan.prune.iter().map(|gone| (gone, "after the rollout"));
        let later =
            self.plan.prune_later.iter().map(|gone| (gone, "once no revision refers to it"));
        for (candidate, when) in first.chain(gone).chain(later) {
            writeln!(out, "delete    {} {when}", candidate.key)?;
        }
        for forecast in &self.plan.changes.workloads {
            writeln!(out, "{}", safe(&restart(forecast)))?;
        }
        let is_told =
            |image: &&ImageState| image.state != ImageFinding::NotChecked || self.are_images_locked;
        for image in self.images.iter().filter(is_told) {
            writeln!(out, "image     {}", safe(&image.to_string()))?;
        }
        for warning in &self.plan.changes.warnings {
            writeln!(out, "warning: {}", safe(&warning.to_string()))?;
        }
        Ok(())
    }
}

/// Writes the changed fields of an object. Long changes, such as scripts, are cut short.
fn write_changes(change: &ObjectChange, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    write_fields(change, &mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().take(CHANGE_LINES_MAX).try_for_each(|line| writeln!(out, "{line}"))?;
    match lines.len().saturating_sub(CHANGE_LINES_MAX) {
        0 => Ok(()),
        more => {
            writeln!(
                out,
                "      … {more} more lines: run `relay-bundle diff FILE --live` to see them"
            )
        }
    }
}

fn restart(forecast: &Forecast) -> String {
    let reasons = forecast.reasons.join("; ");
    let answer = match forecast.restart {
        Restart::Yes => format!("yes, because {reasons}"),
        Restart::No => "no".to_owned(),
        Restart::Added => "starts".to_owned(),
        Restart::Removed => "ends".to_owned(),
    };
    let line = format!("restart of {}/{}: {answer}", forecast.kind, forecast.name);
    forecast.notes.iter().fold(line, |line, note| format!("{line} ({note})"))
}

impl Report for ApplyReport<'_> {
    const SCHEMA: &'static str = "apply/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place = format!("namespace {} of context {}", self.namespace, self.context);
        match &self.done {
            None => {
                writeln!(out, "plan for {} ({})", safe(&place), self.cluster_uid)?;
                self.write_bundle(out)?;
                self.write_plan(out)?;
                let kept = self.plan.count(Action::Keep);
                writeln!(out, "{} unchanged", count(kept, "object"))?;
                writeln!(out, "plan hash {}", self.plan_hash)
            }
            Some(Done { generation, is_new: false, .. }) => {
                let generation = generation.unwrap_or_default();
                writeln!(
                    out,
                    "{} is already at generation {generation}; nothing was written",
                    safe(&place)
                )
            }
            Some(Done { generation, written, pruned, .. }) => {
                let generation = generation.unwrap_or_default();
                let (written, pruned) = (count(*written, "object"), pruned.len());
                writeln!(
                    out,
                    "{} is at generation {generation}: {written} written, {pruned} deleted",
                    safe(&place)
                )
            }
        }
    }
}

/// The number of lines that a plan shows of the changes of one object.
const CHANGE_LINES_MAX: usize = 16;

/// Prints the warnings of a plan that is not shown.
pub(super) fn tell_warnings(printer: &Printer, plan: &Plan) {
    plan.changes.warnings.iter().for_each(|warning| printer.warn(&warning.to_string()));
}

/// Reports the obstacles of a plan after a dry run, and returns the exit code.
pub(super) fn tell_blocked(printer: &Printer, failure: &Failure) -> ExitCode {
    crate::cmd::error_report::tell(failure, printer);
    ExitCode::from(failure.kind.exit_code())
}
