//! Shows a change to the operator, asks for consent, and reports the result.

use std::process::ExitCode;

use super::confirm::{confirm, confirm_first_install};
use super::ctx::Ctx;
use super::error_report;
use super::exit_code::{DIFFERS, Outcome};
use crate::failure::Failure;
use crate::install::change::{Agreement, Change, ChangeEnd, Operator, make};
use crate::model::digest::Digest;
use crate::ui::printer::Report;

/// How the operator agrees to a change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Approval {
    DryRun,
    /// To any plan, without being asked.
    Any,
    /// To the plan with this hash, without being asked.
    To(Digest),
    Asked,
}

impl Approval {
    /// Returns the variant that the flags `--dry-run` and `--yes` select.
    pub(super) fn of(dry_run: bool, yes: bool) -> Self {
        match (dry_run, yes) {
            (true, _) => Self::DryRun,
            (false, true) => Self::Any,
            (false, false) => Self::Asked,
        }
    }

    /// Whether the change goes on without showing the plan and asking.
    pub(super) fn is_given(self) -> bool {
        matches!(self, Self::Any | Self::To(_))
    }

    pub(super) fn is_dry_run(self) -> bool {
        matches!(self, Self::DryRun)
    }
}

/// The words for a change.
pub(super) trait View<C: Change> {
    type Report<'a>: Report
    where
        Self: 'a,
        C: 'a;

    /// Whether the plan of a change that was agreed to in advance is written to stderr: the report
    /// of the finished change does not repeat it.
    const IS_LOGGED: bool = false;

    /// Returns the report of the plan, or of the change when it is done.
    fn report<'a>(&'a self, change: &'a C, done: Option<&'a C::Done>) -> Self::Report<'a>;

    /// Returns the question to ask before anything is changed.
    fn question(&self, change: &C) -> String;

    /// Returns the namespace that the operator must type to confirm a first install, if any.
    fn first_install(&self, _: &C) -> Option<&str> {
        None
    }

    /// Shows the plan and asks.
    fn ask(&self, ctx: &Ctx, change: &C) -> Result<(), Failure> {
        confirm(ctx, &self.report(change, None), &self.question(change))
    }

    /// Refuses a change for which consent in advance is not enough.
    fn check_given(&self, _: &C) -> Result<(), Failure> {
        Ok(())
    }

    /// Returns the warnings of the plan, for an operator who does not see it.
    fn warnings(&self, _: &C) -> Vec<String> {
        Vec::new()
    }

    /// Returns the closing sentences, after the report.
    fn closing(&self, _: &C, _: Option<&C::Done>) -> Option<String> {
        None
    }
}

/// An operator who reads the output of this program, and answers at a terminal or with flags.
struct TerminalOperator<'a, V> {
    ctx: &'a Ctx,
    approval: Approval,
    view: &'a V,
}

impl<C: Change, V: View<C>> Operator<C> for TerminalOperator<'_, V> {
    fn is_dry_run(&self) -> bool {
        self.approval.is_dry_run()
    }

    fn agree(&self, change: &C) -> Result<Agreement, Failure> {
        match self.approval {
            Approval::To(approved) if change.hash() != Some(approved) => {
                return Ok(Agreement::ToAnotherPlan);
            }
            Approval::Asked => {
                self.view.ask(self.ctx, change)?;
                self.view.first_install(change).map_or(Ok(()), confirm_first_install)?;
            }
            Approval::DryRun | Approval::Any | Approval::To(_) => {
                self.view.check_given(change)?;
                if V::IS_LOGGED {
                    self.ctx.printer.say_report(&self.view.report(change, None))?;
                }
            }
        }
        Ok(Agreement::Given)
    }
}

/// Takes a change through its course, and reports its end.
pub(super) fn carry_through<C: Change, V: View<C>>(
    ctx: &Ctx,
    approval: Approval,
    change: &mut C,
    view: &V,
) -> Outcome {
    // Otherwise the operator sees the warnings with the plan.
    let is_logged = V::IS_LOGGED && !ctx.printer.quiet && change.blocked().is_none();
    let is_unseen = approval.is_given() && !is_logged;
    if is_unseen || change.is_noop() && !approval.is_dry_run() {
        view.warnings(change).iter().for_each(|warning| ctx.printer.warn(warning));
    }
    let end = make(change, &TerminalOperator { ctx, approval, view })?;
    if let ChangeEnd::AnotherPlan = end {
        ctx.printer.tell("the plan differs from the approved one; nothing was changed");
    }
    let done = if let ChangeEnd::Done(done) = &end { Some(done) } else { None };
    ctx.printer.report(&view.report(change, done))?;
    if let Some(closing) = view.closing(change, done) {
        ctx.printer.say(&closing);
    }
    Ok(match end {
        ChangeEnd::Done(_) => ExitCode::SUCCESS,
        ChangeEnd::AnotherPlan => ExitCode::from(DIFFERS),
        ChangeEnd::Planned => change.blocked().map_or(ExitCode::SUCCESS, |failure| {
            error_report::tell(&failure, &ctx.printer);
            ExitCode::from(failure.kind.exit_code())
        }),
    })
}
