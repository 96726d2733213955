//! `--state`: the file of accepted releases. Shared by every command that verifies under a policy.

use camino::Utf8PathBuf;

use super::trust::Trust;
use crate::cmd::ctx::Ctx;
use crate::failure::Failure;
use crate::install::secrets::RecoveryPlace;
use crate::state_file::StateFile;
use crate::trust::state::State;

/// The path of the file below the folder for states.
const FILE: &str = "relay-bundle/state.json";

/// Where the state is.
#[derive(Debug, clap::Args)]
pub struct StateArgs {
    /// The state file with the accepted bundles [default: $XDG_STATE_HOME/relay-bundle/state.json,
    /// or below ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub state: Option<Utf8PathBuf>,
}

impl StateArgs {
    /// Returns the arguments of a command line that selects the same state.
    pub(in crate::cmd) fn words(&self) -> Vec<String> {
        self.state.iter().flat_map(|path| ["--state".to_owned(), path.to_string()]).collect()
    }

    /// Returns the state file of a policy, and its state; both are empty for a single key.
    pub(in crate::cmd) fn read(
        &self,
        ctx: &Ctx,
        trust: &Trust,
    ) -> Result<(Option<StateFile>, State), Failure> {
        let Trust::Policy(_) = trust else { return Ok(<_>::default()) };
        let file = self.file(ctx)?;
        let state = file.read()?;
        Ok((Some(file), state))
    }

    /// Returns the named file, or the user's.
    ///
    /// # Errors
    ///
    /// When no file is named, and the environment does not determine the user's.
    pub fn file(&self, ctx: &Ctx) -> Result<StateFile, Failure> {
        let path = match &self.state {
            Some(path) => path.clone(),
            None => folder()
                .ok_or_else(|| {
                    Failure::input(
                        "cannot locate the state file: neither XDG_STATE_HOME nor HOME is a path",
                    )
                    .hint("pass the file: --state FILE")
                })?
                .join(FILE),
        };
        Ok(StateFile::at(path).telling(ctx.waits()))
    }
}

/// Returns the default place for recovery files: a folder beside the user's state.
pub(in crate::cmd) fn recovery_place() -> RecoveryPlace {
    folder().map_or(RecoveryPlace::Unknown, |folder| {
        RecoveryPlace::Folder(folder.join("relay-bundle/recovery"))
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks where states are kept")]
fn folder() -> Option<Utf8PathBuf> {
    // The XDG specification says to ignore paths that are not absolute.
    let path =
        |name| std::env::var(name).ok().map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")))
}
