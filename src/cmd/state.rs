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
    /// Show the newest accepted bundle of each place, and the resets
    Show(ShowArgs),
    /// Reset the minimum serial of a place, after a wrong clock or a lost key
    Reset(ResetArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Afterwards any serial is accepted for the place, even that of an old bundle: record the correct one
immediately. Going back to an old release needs no reset: request a new statement with a higher
serial for its content.

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
    /// The reason, which is recorded
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
            ctx.printer.say(&format!("`{}` has no accepted bundles", file.path()));
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
                return Err(Failure::world(
                    "the minimum serial was changed by another process during this run",
                )
                .hint("review it again: relay-bundle state show"));
            }
            state.reset(&place, now, &self.reason);
            Ok((floor, still_counting(state, &place)))
        })?;
        ctx.printer.say(&format!(
            "{}: serial {} is no longer the minimum",
            show(&place),
            floor.serial
        ));
        if let Some((wider, serial)) = left {
            ctx.printer.warn(&format!(
                "the minimum serial {serial} of {} still applies: reset that place too, unless it \
                 is correct",
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
        return Err(Failure::input("cannot ask for confirmation without a terminal")
            .hint("pass --yes to confirm"));
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
    let failure = Failure::input(format!("no minimum serial is recorded for {}", show(place)));
    let others: Vec<String> = state.floors().keys().map(show).collect();
    if others.is_empty() {
        failure
    } else {
        failure.hint(format!("one is recorded for {}", others.join("; ")))
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
        return Err(format!("use one line of 1 to {REASON_CHARACTERS_MAX} characters"));
    }
    Ok(text.to_owned())
}
