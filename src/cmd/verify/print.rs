//! Compares with the source tree, and prints the result.

use std::process::ExitCode;

use super::Args;
use crate::build;
use crate::bundle::open::Bundle;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::{DIFFERS, Outcome};
use crate::diff::rebuild::Rebuild;
use crate::failure::Failure;
use crate::media::emission::manifests;
use crate::trust::verify::Verified;
use crate::ui::verify_view::VerifyReport;

impl Args {
    pub(super) fn rebuild(&self, ctx: &Ctx, bundle: &Bundle) -> Result<Option<Rebuild>, Failure> {
        let Some(name) = &self.rebuild else { return Ok(None) };
        let source = build::in_memory(&ctx.load(name, &self.profiles)?)?;
        Ok(Some(Rebuild::of(name, &source.sums, &bundle.sums)))
    }

    pub(super) fn print(
        &self,
        ctx: &Ctx,
        report: &VerifyReport,
        bundle: &Verified<Bundle>,
    ) -> Outcome {
        let differs = report.differs();
        if self.emit {
            ctx.printer.say_report(report)?;
            if !differs {
                ctx.printer.data(&manifests(bundle))?;
            }
        } else {
            ctx.printer.report(report)?;
        }
        Ok(if differs { DIFFERS.into() } else { ExitCode::SUCCESS })
    }
}
