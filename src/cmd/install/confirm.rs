//! Asks a person, and names what is asked about.

use std::io::{self, Write as _};

use super::{Checked, can_ask};
use crate::cluster::Identity;
use crate::cmd::ctx::Ctx;
use crate::cmd::failure::Failure;
use crate::ui::printer::Report;

/// Asks whether what a report shows is to be done: `act` in `context`.
pub(super) fn confirm(
    ctx: &Ctx,
    report: &impl Report,
    (act, context): (&str, &str),
    checked: &Checked,
    identity: &Identity,
) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::input("nobody can be asked: there is no terminal")
            .hint("look at the plan with --dry-run, then say --yes"));
    }
    ctx.printer.say_report(report)?;
    let site = checked.policy.target.site.as_ref().map_or("any site", |site| site.as_str());
    let uid = &identity.uid;
    let namespace = &checked.bundle.index.namespace;
    let question = format!("{act} context {context} (cluster {uid}, {site}), namespace {namespace}? [y/N] ");
    match ask(&question)?.as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::input("nothing was changed")),
    }
}

/// Has a person write that the relay has never run here: a new encryption key makes everything old worthless.
pub(super) fn confirm_first_install(namespace: &str) -> Result<(), Failure> {
    let question = format!(
        "An encryption key will be generated. If the relay has never run here, and there is no data of it anywhere, write \
         the namespace ({namespace}): "
    );
    if ask(&question)? == namespace {
        return Ok(());
    }
    Err(Failure::input("nothing was changed"))
}

fn ask(question: &str) -> Result<String, Failure> {
    let mut stderr = io::stderr();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
