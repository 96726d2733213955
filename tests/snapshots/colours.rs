//! Colours: set by an option, by environment variables, and by a terminal.

use crate::env::TestEnv;
use crate::scene;
use crate::terminal::Terminal;
use crate::transcript::Transcript;

const DIFF: &str = "diff web replicas";

/// The profiles, and one that differs from `web` in a number.
fn profiles() -> TestEnv {
    let home = scene::profiles();
    home.write_profile("replicas", "extends = [\"web\"]\nreplicaCount = 2\n");
    home
}

#[test]
fn colours_that_are_asked_for_are_as_saved() {
    let home = profiles();
    let mut seen = Transcript::new(&home);
    seen.run(&format!("--color always {DIFF}"));
    seen.run("--color always build wrong");
    seen.run("--color always build");
    for variable in ["CLICOLOR_FORCE", "FORCE_COLOR"] {
        seen.run_with(&[(variable, "1")], DIFF);
        seen.run_with(&[(variable, "1")], "build typo");
    }
    seen.run_with(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], DIFF);
    seen.snapshot("colours");
}

#[test]
fn colours_on_terminal_are_as_saved() {
    let Some(terminal) = Terminal::find() else { return };
    let home = profiles();
    scene::write_keys(&home, "signing", "builder");
    let mut seen = Transcript::new(&home);
    for line in [DIFF, "build typo", "build", "build web --key signing.pem --serial 7"] {
        let mut ran = terminal.run(&home, &[], line);
        ran.stdout = ran.stdout.replace("\r\n", "\n");
        seen.add(&format!("relay-bundle {line}    # on a terminal"), &ran);
    }
    seen.snapshot("colours_on_a_terminal");
}
