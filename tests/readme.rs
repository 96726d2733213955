//! The README agrees with the program and the repository.

use std::process::Command;

fn read(name: &str) -> String {
    fs_err::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR")))
        .expect("a file of the repository")
}

#[test]
fn tour_shows_actual_production_bundle() {
    let digests = read("bundles/digests.toml");
    let line =
        digests.lines().find(|line| line.starts_with("production")).expect("production is pinned");
    let id = line.split('"').nth(1).expect("a string");
    assert!(
        read("README.md").contains(&format!("content id  {id}")),
        "the tour shows another id than {id}"
    );
}

#[test]
fn readme_names_every_command_and_has_valid_links() {
    let readme = read("README.md");
    let help = Command::new(env!("CARGO_BIN_EXE_relay-bundle"))
        .arg("--help")
        .output()
        .expect("the binary runs");
    let help = String::from_utf8(help.stdout).expect("help is UTF-8");
    let commands = help
        .lines()
        .skip_while(|line| *line != "Build:")
        .take_while(|line| *line != "Options:")
        .filter(|line| line.starts_with("  "));
    let names: Vec<&str> = commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() > 8, "{help}");
    for name in names {
        assert!(readme.contains(&format!("`{name}")), "README.md does not name `{name}`");
    }
    for link in readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.starts_with("http"))
    {
        let file = link.split('#').next().expect("a split has a beginning");
        assert!(
            fs_err::exists(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap_or(false),
            "`{link}` is not there"
        );
    }
}
