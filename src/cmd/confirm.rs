//! Asks a person before a cluster is changed, and names what is asked about.

use std::io::{self, IsTerminal as _, Write as _};

use super::ctx::Ctx;
use crate::cluster::{Cluster, Identity};
use crate::failure::Failure;
use crate::trust::policy::Policy;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// Shows what would be done, and asks whether it is to be done.
pub(super) fn confirm<R: Report>(ctx: &Ctx, report: &R, question: &str) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::input("nobody can be asked: there is no terminal")
            .hint("look at what would be done with --dry-run, then say --yes"));
    }
    // Nobody agrees to what they have not seen, however quiet it is to be.
    ctx.printer.tell_report(report)?;
    confirm_also(question)
}

/// Asks one more question of somebody who has just answered one.
pub(super) fn confirm_also(question: &str) -> Result<(), Failure> {
    match ask(&format!("{} [y/N] ", safe(question)))?.as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::input("nothing was changed")),
    }
}

/// Has a person write that the relay has never run here: a new encryption key makes everything old
/// worthless.
pub(super) fn confirm_first_install(namespace: &str) -> Result<(), Failure> {
    let question = format!(
        "An encryption key will be generated. If the relay has never run here, and there is no \
         data of it anywhere, write the namespace ({namespace}): "
    );
    if ask(&question)? == namespace { Ok(()) } else { Err(Failure::input("nothing was changed")) }
}

/// Returns whether somebody sits at a terminal.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn ask(question: &str) -> Result<String, Failure> {
    let mut stderr = io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Says where something is about to be changed; the site is that of a policy, if there is one.
pub(super) fn place(
    cluster: &Cluster,
    identity: &Identity,
    policy: Option<&Policy>,
    namespace: &str,
) -> String {
    let site =
        policy.map(|policy| policy.target.site.as_ref().map_or("any site", |site| site.as_str()));
    let site = site.map(|site| format!(", {site}")).unwrap_or_default();
    format!("context {} (cluster {}{site}), namespace {namespace}", cluster.context, identity.uid)
}
