//! The command line: the global options, and the help of the program.

use clap::Parser;

use super::commands::Command;
use crate::ui::printer::ColorChoice;

/// The help of the program: clap would list all commands in one block.
pub(super) const TEMPLATE: &str = "{about-with-newline}
{usage-heading} {usage}

Build:
  build        Build the bundles of profiles
  render       Print the manifests of a profile
  diff         Show what changes between two bundles, and which pods restart
  explain      Explain a key, a code, or the origin of a value
  schema       Print the JSON Schema of a profile
  import       Write a profile from an existing configuration
  gc           Remove unreferenced bundles from the store

Images:
  lock         Pin the images of profiles to digests
  fetch        Download pinned images into the store
  push         Push the images of a verified bundle to the site's registry
  images       List the images of a profile or a bundle

Trust:
  keygen       Create a key pair, or show the public half of one
  sign         Sign a bundle, here or with a key on another machine
  verify       Verify the signatures and every byte of a bundle before it is applied
  inspect      Show a bundle's metadata, objects and requirements
  trust        Write, check and show a trust policy
  state        Show the accepted bundles, or reset a minimum serial

Cluster:
  apply        Verify, plan and apply a bundle to a cluster, and wait until it is ready
  status       Show the installation, and whether it is complete and ready
  history      List all generations of an installation, newest first
  rollback     Restore an earlier generation from the record in the cluster
  restart      Replace the pods of a workload, and wait for them
  remove       Remove an installation, but keep its data and keys
  adopt        Take over a Helm release, with its data and keys
  secrets      Seal secrets, and create, back up and restore those of a cluster
  rbac         Print the minimal Roles for applying a bundle

Media:
  pack         Write a bundle as one file
  split        Split a file into parts, for media that are too small for it
  join         Join the parts of a file, and check each

Shell:
  completions  Print shell completions
  man          Print the manual page
  help         Print this message or the help of the given subcommand(s)

Options:
{options}{after-help}";

/// The heading of the options that every command has.
const GLOBAL: &str = "Global options";

/// Reproducible Kubernetes bundles of Claude Relay Service for air-gapped clusters
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    help_template = TEMPLATE,
    after_help = "Examples:
  relay-bundle build production        build the bundle of a profile
  relay-bundle diff production         show what a build would change
  relay-bundle explain ingress.routes  explain a key

Exit codes: 0 success, 1 negative result or difference, 2 invalid input, \
3 not trusted, 4 disk or cluster failure, 101 bug, 130 interrupted."
)]
pub struct Cli {
    /// Print a report as JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(super) json: bool,
    /// Suppress everything except errors and data
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(super) quiet: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = GLOBAL
    )]
    pub(super) color: ColorChoice,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cmd::Cli;

    #[test]
    fn template_lists_every_command_once_as_it_describes_itself() {
        let mut command = Cli::command();
        command.build();
        let line = |command: &clap::Command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            format!("  {:12} {about}", command.get_name())
        };
        let mut described: Vec<String> = command.get_subcommands().map(line).collect();
        let mut listed: Vec<String> = TEMPLATE
            .lines()
            .filter(|line| line.starts_with("  ") && !line.contains('{'))
            .map(str::to_owned)
            .collect();
        described.sort();
        listed.sort();
        assert_eq!(listed, described);
    }
}
