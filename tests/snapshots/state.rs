//! `state`: shows and resets the minimum serials.

use crate::scene;
use crate::transcript::Transcript;

const RESET: &str = "state reset --bundle relay --profile web --namespace relay --site plant-7";

#[test]
fn state_is_as_saved() {
    let home = scene::operator();
    home.write("broken.json", "{");
    let mut seen = Transcript::new(&home);
    seen.run("state show");
    seen.run("state show --json");
    seen.run("verify web.tar --trust trust.toml --record --quiet");
    seen.run("state show");
    seen.run("state show --json");
    seen.run("state reset");
    seen.run(RESET);
    seen.run(&format!("{RESET} --reason \"the clock was wrong\""));
    seen.run(&format!("{RESET} --reason \"the clock was wrong\" --yes"));
    seen.run(&format!("{RESET} --reason \"the clock was wrong\" --yes"));
    seen.run("state show");
    seen.run("state show --json");
    seen.run("state reset --bundle relay --profile wbe --namespace relay --reason x --yes");
    seen.run("state show --state broken.json");
    seen.run("state show --state nosuch.json");
    seen.run("verify web.tar --trust trust.toml --state broken.json");
    seen.snapshot("state");
}
