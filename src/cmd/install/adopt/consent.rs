//! Asks for consent to the plan, and separately to recreating Redis.

use super::super::InstallArgs;
use super::AdoptArgs;
use super::report::AdoptReport;
use crate::cmd::confirm::{confirm, confirm_also, confirm_first_install};
use crate::cmd::ctx::Ctx;
use crate::failure::Failure;
use crate::helm::disposition::named;

/// Asks for consent, unless the arguments give it. `asks_first_install` is the namespace in which
/// an encryption key is generated.
pub(super) fn ask(
    ctx: &Ctx,
    report: &AdoptReport<'_>,
    place: &str,
    asks_first_install: Option<&str>,
    args: &AdoptArgs,
    install: &InstallArgs,
) -> Result<(), Failure> {
    let cleared: Vec<String> =
        report.helm.cleared().map(|handed| named(&handed.key, &report.helm.namespace)).collect();
    let asks_for_redis = !cleared.is_empty() && !args.recreate_redis;
    let cleared = cleared.join(", ");
    let is_agreed = install.is_agreed();
    let also = |failure: Failure| {
        if asks_for_redis {
            failure.hint(format!("{cleared} is deleted and recreated: agree with --recreate-redis"))
        } else {
            failure
        }
    };
    if is_agreed && asks_for_redis {
        return Err(also(Failure::input(
            "deleting and recreating objects requires --recreate-redis; --yes or --plan-hash alone \
             is not enough",
        )));
    }
    if is_agreed {
        return Ok(());
    }
    confirm(
        ctx,
        report,
        &format!("Take over the Helm release {} of {place}?", report.helm.release),
    )
    .map_err(also)?;
    if asks_for_redis {
        confirm_also(&format!("Delete {cleared}, and recreate it on the same volume?"))?;
    }
    asks_first_install.map_or(Ok(()), confirm_first_install)
}
