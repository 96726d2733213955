//! Verifies a bundle that the operator provides.

use super::{Args, RequiredImages};
use crate::bundle::open::Bundle;
use crate::cmd::args::trust::Trust;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::failure::refused::Refused;
use crate::images::summary::ImagesSummary;
use crate::install::comparison;
use crate::install::preflight::identify;
use crate::media::emission::check_secrets;
use crate::media::images_at::Counting;
use crate::media::named_bundle::NamedBundle;
use crate::model::timestamp::Timestamp;
use crate::signing::terms::serial_warning;
use crate::state_file::StateFile;
use crate::trust::policy;
use crate::trust::state::{Place, State};
use crate::trust::terms::{Purpose, VerifyTerms};
use crate::trust::verify::Verified;
use crate::ui::live_view::LiveReport;
use crate::ui::verify_view::{ReplayReport, TargetReport, VerifyReport};

impl Args {
    /// Verifies a bundle that the operator provides.
    pub(super) fn verify_brought(
        &self,
        ctx: &Ctx,
        brought: &NamedBundle,
        trust: &Trust,
        now: Timestamp,
    ) -> Outcome {
        brought.check_parts()?;
        let (state_file, state) = self.state.read(ctx, trust)?;
        let terms =
            VerifyTerms { authority: trust.authority(&state), purpose: Purpose::Install, now };

        let verified = brought.verify(&terms);
        let (origin, bundle) = verified.map_err(|failure| self.name_what_runs(failure))?;
        if let Some(warning) = serial_warning(&bundle.voucher().statement.predicate) {
            ctx.printer.warn(&warning);
        }

        let images = self.images_of(brought, &bundle)?;
        let rebuild = self.rebuild(ctx, &bundle)?;
        let differs = rebuild.as_ref().is_some_and(|rebuild| !rebuild.same);
        if self.emit && !differs && !self.secrets_exist {
            check_secrets(&bundle)?;
        }
        // Before the bundle is recorded: this may turn out to be the wrong cluster.
        let live = self.live.then(|| self.compare(ctx, trust, &bundle)).transpose()?;
        let (target, replay) = match (trust, &state_file) {
            (Trust::Policy(policy), Some(file)) => {
                let target = TargetReport::of(policy);
                let replay = self.replay(&bundle, &policy.target, (file, &state), now, !differs)?;
                (target, replay)
            }
            _ => Default::default(),
        };
        let report =
            VerifyReport::new(&bundle, origin, now).for_place(target, replay).with_images(images);
        self.print(ctx, &report.rebuilt(rebuild).beside(live), &bundle)
    }

    /// Counts the available images, and refuses a lack of them with `--images`.
    fn images_of(
        &self,
        brought: &NamedBundle,
        bundle: &Verified<Bundle>,
    ) -> Result<Option<ImagesSummary>, Failure> {
        let Some(RequiredImages::All) = self.images else {
            return brought.images(bundle, Counting::BySize);
        };
        let images = brought.images(bundle, Counting::ByDigest)?;
        brought.check_images(bundle, images.as_ref())?;
        Ok(images)
    }

    fn compare(&self, ctx: &Ctx, trust: &Trust, bundle: &Bundle) -> Result<LiveReport, Failure> {
        let cluster = self.installation.connect(&ctx.printer)?;
        let identity = match trust {
            Trust::Policy(policy) => identify(&cluster, policy)?,
            Trust::Key(_) => cluster.identity()?,
        };
        comparison::compare(&cluster, &identity, bundle)
    }

    /// Adds a hint to `ROLLBACK` and `EXPIRED`: `verify --live` compares the deployed bundle.
    fn name_what_runs(&self, failure: Failure) -> Failure {
        let code = Refused::of(&failure).map(|refused| refused.code);
        if self.live && matches!(code, Some("ROLLBACK" | "EXPIRED")) {
            return failure
                .hint("compare the deployed bundle: relay-bundle verify --live, without BUNDLE");
        }
        failure
    }

    /// Compares the bundle with the accepted releases, and records it with `--record`.
    fn replay(
        &self,
        bundle: &Verified<Bundle>,
        target: &policy::PolicyTarget,
        (file, state): (&StateFile, &State),
        now: Timestamp,
        may_record: bool,
    ) -> Result<ReplayReport, Failure> {
        let statement = &bundle.voucher().statement;
        if self.record && may_record {
            return Ok(ReplayReport::of(file.record(statement, target, now)?, true));
        }
        Ok(ReplayReport::of(state.compare(&Place::of(statement, target)), false))
    }
}
