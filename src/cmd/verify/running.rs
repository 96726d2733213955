//! Verifies the deployed bundle from the record, and compares the cluster with it.

use super::Args;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::install::comparison;
use crate::install::preflight::identify;
use crate::install::verified_record::verified;
use crate::model::timestamp::Timestamp;
use crate::trust::policy::Policy;
use crate::ui::verify_view::{ReplayReport, TargetReport, VerifyReport};

impl Args {
    pub(super) fn verify_running(&self, ctx: &Ctx, policy: &Policy, now: Timestamp) -> Outcome {
        let cluster = self.installation.connect(&ctx.printer)?;
        let identity = identify(&cluster, policy)?;
        let journal = self.installation.open(&cluster)?;
        let running = journal.running()?;
        let bundle = verified(&journal, running, policy, now)?;
        let origin = format!(
            "generation {} of {} in namespace {}, running according to the record",
            running.generation,
            journal.name(),
            journal.namespace()
        );
        let rebuild = self.rebuild(ctx, &bundle)?;
        let live = comparison::compare(&cluster, &identity, &bundle)?;
        let report = VerifyReport::new(&bundle, origin, now)
            .for_place(TargetReport::of(policy), ReplayReport::default());
        self.print(ctx, &report.rebuilt(rebuild).beside(Some(live)), &bundle)
    }
}
