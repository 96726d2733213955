//! `state`: shows accepted releases, and removes a wrong minimum serial.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::args::state::StateArgs;
use super::clock;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::model::text::{Label, ReleaseName};
use crate::trust::state::{Floor, Place, Reset, State};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The length limit of a reason.
const REASON_CHARACTERS_MAX: usize = 500;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Show the newest bundle that was accepted for each place, and the floors that were taken away
    Show(ShowArgs),
    /// Take a floor away: for one that a wrong clock or a lost key has poisoned
    Reset(ResetArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Afterwards any serial is accepted for the place, also an old bundle: record the right one at once.
To go back to an old release no reset is needed: have its content sealed again with a higher
serial.

Example:
  relay-bundle state reset --bundle claude-relay --profile production --namespace claude-relay \\
      --site plant-7 --reason \"the builder's clock was in 2031; ticket 4711\""
)]
struct ResetArgs {
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
    /// Why; it is kept
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Serialize)]
struct StateReport<'a> {
    path: Utf8PathBuf,
    floors: Vec<PlacedFloor<'a>>,
    resets: &'a [Reset],
}

#[derive(Serialize)]
struct PlacedFloor<'a> {
    #[serde(flatten)]
    place: &'a Place,
    #[serde(flatten)]
    floor: &'a Floor,
}

impl<'a> StateReport<'a> {
    fn new(path: Utf8PathBuf, state: &'a State) -> Self {
        let floors =
            state.floors().iter().map(|(place, floor)| PlacedFloor { place, floor }).collect();
        Self { path, floors, resets: state.resets() }
    }
}

impl Report for StateReport<'_> {
    const SCHEMA: &'static str = "state/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for PlacedFloor { place, floor } in &self.floors {
            writeln!(out, "{}", show(place))?;
            writeln!(out, "    serial      {}", floor.serial)?;
            writeln!(out, "    issued      {}", floor.issued)?;
            writeln!(out, "    recorded    {}", floor.recorded)?;
            writeln!(out, "    content id  sha256:{}", floor.content_id)?;
        }
        for Reset { place, floor, time, reason } in self.resets {
            writeln!(out, "{}", show(place))?;
            writeln!(
                out,
                "    reset       {time}, from serial {}: {}",
                floor.serial,
                safe(reason)
            )?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct ResetReport<'a> {
    path: Utf8PathBuf,
    place: &'a Place,
    floor: &'a Floor,
}

impl Report for ResetReport<'_> {
    const SCHEMA: &'static str = "state-reset/v1";

    fn write_human(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        match self.act {
            Act::Show(args) => args.run(ctx),
            Act::Reset(args) => args.run(ctx),
        }
    }
}

impl ShowArgs {
    fn run(&self, ctx: &Ctx) -> Outcome {
        let file = self.state.file(ctx)?;
        let state = file.read()?;
        ctx.printer.report(&StateReport::new(file.path().to_owned(), &state))?;
        if state.floors().is_empty() && state.resets().is_empty() {
            ctx.printer.say(&format!("nothing was recorded in `{}`", file.path()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ResetArgs {
    fn run(self, ctx: &Ctx) -> Outcome {
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
            confirm(&place, shown)?;
        }
        let now = clock::now()?;
        let (floor, left) = file.update(|state| {
            let floor =
                state.floors().get(&place).cloned().ok_or_else(|| no_floor(&place, state))?;
            if floor != *shown {
                return Err(Failure::world("another process has changed this floor meanwhile")
                    .hint("look at it again: relay-bundle state show"));
            }
            state.reset(&place, now, &self.reason);
            Ok((floor, still_counting(state, &place)))
        })?;
        ctx.printer.say(&format!("{}: serial {} is no floor any more", show(&place), floor.serial));
        if let Some((wider, serial)) = left {
            ctx.printer.warn(&format!(
                "serial {serial} of {} still counts there: reset that place too, unless the floor is right",
                show(&wider)
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
fn confirm(place: &Place, floor: &Floor) -> Result<(), Failure> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        return Err(
            Failure::input("there is no terminal to ask on").hint("say --yes if you are sure")
        );
    }
    let question = format!(
        "{}: forget serial {} of {}, so that any older bundle is accepted? Type yes: ",
        show(place),
        floor.serial,
        floor.issued
    );
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::input("nothing was changed")) }
}

fn no_floor(place: &Place, state: &State) -> Failure {
    let failure = Failure::input(format!("no floor is recorded for {}", show(place)));
    let others: Vec<String> = state.floors().keys().map(show).collect();
    if others.is_empty() {
        failure
    } else {
        failure.hint(format!("there is one for {}", others.join("; ")))
    }
}

/// Returns the wider place whose minimum serial still applies after the reset of `place`, with that
/// serial. If several do, returns the highest.
fn still_counting(state: &State, place: &Place) -> Option<(Place, u64)> {
    let wider = state.floors().iter().filter(|(other, _)| other.covers(place));
    let highest = wider.max_by_key(|(_, floor)| floor.serial);
    highest.map(|(other, floor)| (other.clone(), floor.serial))
}

fn show(place: &Place) -> String {
    let Place { bundle, profile, namespace, site, cluster_uid } = place;
    let site = site.as_ref().map(|site| format!(", site {site}")).unwrap_or_default();
    let cluster = cluster_uid.as_ref().map(|uid| format!(", cluster {uid}")).unwrap_or_default();
    format!("bundle {bundle}, profile {profile}, namespace {namespace}{site}{cluster}")
}

fn reason(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty()
        || length > REASON_CHARACTERS_MAX
        || text.chars().any(char::is_control)
    {
        return Err(format!("write one line of 1 to {REASON_CHARACTERS_MAX} characters"));
    }
    Ok(text.to_owned())
}
