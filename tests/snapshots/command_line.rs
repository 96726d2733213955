//! The program without a command, and with commands that users may try.

use crate::scene;
use crate::transcript::snapshot;

#[test]
fn commands_of_other_programs_are_as_saved() {
    let lines = [
        "install web.tar",
        "upgrade web.tar",
        "uninstall",
        "delete",
        "list",
        "ls",
        "version",
        "validate web",
        "lint web",
        "check web",
        "plan web.tar",
        "template web",
        "buld web",
        "trust",
        "trust edit trust.toml",
        "trust add trust.toml",
        "secrets list",
        "state list",
        "import values.yaml",
    ];
    snapshot("unknown_commands", &scene::profiles(), &lines);
}

#[test]
fn arguments_that_every_command_has_are_as_saved() {
    let lines = [
        "",
        "--json",
        "--version",
        "-V",
        "--verison",
        "-v build web",
        "--color sometimes build web",
        "build web --json --quiet",
        "build wbe --json",
        "buld web --json",
        "build --no-such-option web --json",
        "help build trust",
        "help no-such-command",
    ];
    snapshot("common_arguments", &scene::profiles(), &lines);
}

#[test]
fn mistakes_with_completions_and_man_are_as_saved() {
    let lines = ["completions", "completions cmd", "man nothing", "man trust nothing"];
    snapshot("completions_and_man", &scene::profiles(), &lines);
}
