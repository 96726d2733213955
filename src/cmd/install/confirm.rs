//! Asks a person, and names what is asked about.

use std::io::{self, IsTerminal as _, Write as _};

use super::Checked;
use super::report::ApplyReport;
use crate::cluster::Identity;
use crate::cmd::ctx::Ctx;
use crate::cmd::failure::Failure;

/// Asks whether the plan is to be carried out.
pub(super) fn confirm(
    ctx: &Ctx,
    report: &ApplyReport<'_>,
    checked: &Checked,
    identity: &Identity,
) -> Result<(), Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::input("nobody can be asked: there is no terminal")
            .hint("look at the plan with --dry-run, then say --yes"));
    }
    ctx.printer.say_report(report)?;
    let site = checked.policy.target.site.as_ref().map_or("any site", |site| site.as_str());
    let (context, uid) = (report.context(), &identity.uid);
    let namespace = &checked.bundle.index.namespace;
    let mut stderr = io::stderr();
    write!(stderr, "Apply to context {context} (cluster {uid}, {site}), namespace {namespace}? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::input("nothing was changed")),
    }
}
