//! The README's tour, run as it is written: every command, and all that it shows. What needs a cluster is run by the
//! tests of the cluster.
//!
//! `RELAY_BUNDLE_ACCEPT=1 cargo test --test tour` writes what the commands really print into the README.

#[path = "support/console.rs"]
mod console;
#[path = "support/tools.rs"]
mod tools;

use std::path::Path;

use tools::find;

#[test]
fn every_command_of_the_tour_prints_what_the_readme_shows() {
    if [("bash", "bash"), ("openssl", "openssl"), ("kubectl", "kubectl")]
        .iter()
        .any(|(program, package)| find(program, package).is_none())
    {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs_err::read_to_string(&file).expect("there is a README");
    let (before, on_a_cluster) = console::split(&readme);
    let folder = console::folder();

    let played = console::play(before, |line| console::run(folder.path(), &[], "", line));

    assert!(played.commands > 10, "{} commands are too few for a tour", played.commands);
    if console::accepts() {
        fs_err::write(&file, played.written + on_a_cluster).expect("the README can be written");
    } else {
        assert!(played.wrong.is_empty(), "{}", played.wrong.join("\n"));
    }
}
