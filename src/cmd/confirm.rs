//! Asks a person before a cluster is changed, and names what is asked about.

use std::io::{self, IsTerminal as _, Write as _};

use super::ctx::Ctx;
use super::failure::Failure;
use crate::cluster::{Cluster, Identity};
use crate::trust::policy::Policy;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// Shows what would be done, and asks whether it is to be done.
pub(super) fn confirm<R: Report>(ctx: &Ctx, report: &R, question: &str) -> Result<(), Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::input("nobody can be asked: there is no terminal")
            .hint("look at what would be done with --dry-run, then say --yes"));
    }
    ctx.printer.say_report(report)?;
    let mut stderr = io::stderr();
    write!(stderr, "{} [y/N] ", safe(question))?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::input("nothing was changed")),
    }
}

/// Says where something is about to be changed; the site is that of a policy, if there is one.
pub(super) fn place(
    cluster: &Cluster,
    identity: &Identity,
    policy: Option<&Policy>,
    namespace: &str,
) -> String {
    let site = policy.map(|policy| policy.target.site.as_ref().map_or("any site", |site| site.as_str()));
    let site = site.map(|site| format!(", {site}")).unwrap_or_default();
    format!("context {} (cluster {}{site}), namespace {namespace}", cluster.context, identity.uid)
}
