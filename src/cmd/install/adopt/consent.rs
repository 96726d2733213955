//! Asks for consent to the plan, and separately to recreating Redis.

use super::AdoptView;
use crate::cmd::confirm::{confirm, confirm_also};
use crate::cmd::ctx::Ctx;
use crate::cmd::operator::View as _;
use crate::failure::Failure;
use crate::helm::disposition::named;
use crate::install::adopt::adoption::Adoption;

/// Shows the plan and asks for everything that the arguments do not agree to.
pub(super) fn ask(ctx: &Ctx, view: &AdoptView<'_>, adoption: &Adoption<'_>) -> Result<(), Failure> {
    let cleared = unagreed(view, adoption);
    confirm(ctx, &view.report(adoption, None), &view.question(adoption))
        .map_err(|failure| with_flag(failure, cleared.as_deref()))?;
    cleared.map_or(Ok(()), |cleared| {
        confirm_also(&format!("Delete {cleared}, and recreate it on the same volume?"))
    })
}

/// Refuses to recreate objects without consent to that.
pub(super) fn check_given(view: &AdoptView<'_>, adoption: &Adoption<'_>) -> Result<(), Failure> {
    let Some(cleared) = unagreed(view, adoption) else { return Ok(()) };
    let failure = Failure::input(
        "deleting and recreating objects requires --recreate-redis; --yes or --plan-hash alone is \
         not enough",
    );
    Err(with_flag(failure, Some(&cleared)))
}

/// Returns the objects that are deleted and recreated, unless the operator agreed to that.
fn unagreed(view: &AdoptView<'_>, adoption: &Adoption<'_>) -> Option<String> {
    let helm = &adoption.helm;
    let cleared: Vec<String> =
        helm.cleared().map(|handed| named(&handed.key, &helm.namespace)).collect();
    (!cleared.is_empty() && !view.recreate_redis).then(|| cleared.join(", "))
}

fn with_flag(failure: Failure, cleared: Option<&str>) -> Failure {
    cleared.into_iter().fold(failure, |failure, cleared| {
        failure.hint(format!("{cleared} is deleted and recreated: agree with --recreate-redis"))
    })
}
