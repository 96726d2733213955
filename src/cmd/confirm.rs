//! Asks the operator before a cluster is changed, and names the place of the change.

use std::io::{self, IsTerminal as _, Write as _};

use super::ctx::Ctx;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::failure::Failure;
use crate::trust::policy::Policy;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// Shows the planned changes, and asks for confirmation.
pub(super) fn confirm<R: Report>(ctx: &Ctx, report: &R, question: &str) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::input("cannot ask for confirmation without a terminal")
            .hint("review the plan with --dry-run, then pass --yes"));
    }
    // The plan is shown even with `--quiet`: consent needs it.
    ctx.printer.tell_report(report)?;
    confirm_also(question)
}

/// Asks one more question after [`confirm`], without showing the plan again.
pub(super) fn confirm_also(question: &str) -> Result<(), Failure> {
    match ask(&format!("{} [y/N] ", safe(question)))?.as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::input("nothing was changed")),
    }
}

/// Has the operator confirm in writing that the relay has never run here: a new encryption key
/// makes all existing data unreadable.
pub(super) fn confirm_first_install(namespace: &str) -> Result<(), Failure> {
    let question = format!(
        "An encryption key will be generated. If the relay has never run here and has no data \
         anywhere, type the namespace ({namespace}): "
    );
    if ask(&question)? == namespace { Ok(()) } else { Err(Failure::input("nothing was changed")) }
}

/// Returns whether stdin and stderr are terminals.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question, and returns the answer.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    let mut stderr = io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Returns a description of the place of a change. The site is that of the policy, if any.
pub(super) fn place(
    cluster: &Cluster,
    identity: &ClusterIdentity,
    policy: Option<&Policy>,
    namespace: &str,
) -> String {
    let site =
        policy.map(|policy| policy.target.site.as_ref().map_or("any site", |site| site.as_str()));
    let site = site.map(|site| format!(", {site}")).unwrap_or_default();
    format!("context {} (cluster {}{site}), namespace {namespace}", cluster.context, identity.uid)
}
