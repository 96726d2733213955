//! `state reset`: removes a wrong minimum serial.

use std::process::ExitCode;

use crate::cmd::args::state::StateArgs;
use crate::cmd::clock;
use crate::cmd::confirm::{ask, can_ask};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::model::text::{Label, ReleaseName};
use crate::trust::state::{Floor, Place, State};
use crate::ui::state_view::{ResetReport, place_text};

/// The length limit of a reason.
const REASON_CHARACTERS_MAX: usize = 500;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Afterwards any serial is accepted for the place, even that of an old bundle: record the correct one \
immediately. Going back to an old release needs no reset: request a new statement with a higher \
serial for its content.

Example:
  relay-bundle state reset --bundle claude-relay --profile production \\
      --namespace claude-relay --site plant-7 \\
      --reason \"the builder's clock was in 2031; ticket 4711\""
)]
pub(super) struct Args {
    /// The bundle's name
    #[arg(long)]
    bundle: ReleaseName,
    /// Its profile
    #[arg(long)]
    profile: Label,
    /// Its namespace
    #[arg(long)]
    namespace: Label,
    /// The site of the policy, if it has one
    #[arg(long)]
    site: Option<Label>,
    /// The clusterUid of the policy, if it has one
    #[arg(long, value_name = "UID")]
    cluster_uid: Option<String>,
    /// The reason, which is recorded
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    state: StateArgs,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let file = self.state.file(ctx)?;
        let place = Place {
            bundle: self.bundle,
            profile: self.profile,
            namespace: self.namespace,
            site: self.site,
            cluster_uid: self.cluster_uid,
        };

        let state = file.read()?;
        let shown = state.floors().get(&place).ok_or_else(|| no_floor(&place, &state))?;
        if !self.yes {
            confirm_reset(&place, shown)?;
        }

        let now = clock::now()?;
        let (floor, left) = file.update(|state| {
            let floor =
                state.floors().get(&place).cloned().ok_or_else(|| no_floor(&place, state))?;
            if floor != *shown {
                return Err(Failure::world(
                    "the minimum serial was changed by another process during this run",
                )
                .hint("review it again: relay-bundle state show"));
            }
            state.reset(&place, now, &self.reason);
            let left = state.placed_floor(&place);
            Ok((floor, left.map(|(wider, floor)| (wider.clone(), floor.serial))))
        })?;

        ctx.printer.say(&format!(
            "{}: serial {} is no longer the minimum",
            place_text(&place),
            floor.serial
        ));
        if let Some((wider, serial)) = left {
            ctx.printer.warn(&format!(
                "the minimum serial {serial} of {} still applies: reset that place too, unless it \
                 is correct",
                place_text(&wider)
            ));
        }

        if ctx.printer.json {
            ctx.printer.report(&ResetReport {
                path: file.path().to_owned(),
                place: &place,
                floor: &floor,
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks for confirmation on the terminal.
fn confirm_reset(place: &Place, floor: &Floor) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::input("cannot ask for confirmation without a terminal")
            .hint("pass --yes to confirm"));
    }
    let question = format!(
        "{}: forget serial {} of {}, so that any older bundle is accepted? Type yes: ",
        place_text(place),
        floor.serial,
        floor.issued
    );
    if ask(&question)? == "yes" { Ok(()) } else { Err(Failure::input("nothing was changed")) }
}

fn no_floor(place: &Place, state: &State) -> Failure {
    let failure =
        Failure::input(format!("no minimum serial is recorded for {}", place_text(place)));
    let others: Vec<String> = state.floors().keys().map(place_text).collect();
    if others.is_empty() {
        failure
    } else {
        failure.hint(format!("one is recorded for {}", others.join("; ")))
    }
}

fn reason(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty()
        || length > REASON_CHARACTERS_MAX
        || text.chars().any(char::is_control)
    {
        return Err(format!("use one line of 1 to {REASON_CHARACTERS_MAX} characters"));
    }
    Ok(text.to_owned())
}
