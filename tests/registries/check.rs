//! `lock --check`, and builds with a lock: without a network.

use crate::oci::image::{Format, Image};
use crate::oci::registry::{Access, Program, Registry};
use crate::workplace::Workplace;

/// Returns a folder whose profile `relay` is locked, from a registry that has since stopped.
fn locked() -> Option<(Workplace, Image, String)> {
    let registry = Registry::start(Program::DockerRegistry, Access::Plain)?;
    let image = Image::small(Format::Oci, "hello");
    registry.push("app", "v1", &image);
    let name = format!("{}/app:v1", registry.address);
    let place = Workplace::with_image(&name);
    place.ok(&["lock"]);
    Some((place, image, name))
}

/// Returns the content id of a profile.
#[track_caller]
fn content_id(place: &Workplace, profile: &str) -> String {
    let ran = place.run(&["build", profile, "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.json()["bundles"][0]["contentId"].as_str().unwrap().to_owned()
}

#[test]
fn check_of_complete_lock_succeeds_without_network() {
    let Some((place, _, _)) = locked() else { return };
    let ran = place.run(&["lock", "--check", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let report = ran.json();
    assert_eq!(report["complete"], true);
    assert_eq!(
        report["missing"].as_array().unwrap().len()
            + report["superfluous"].as_array().unwrap().len(),
        0
    );
}

#[test]
fn lock_without_profiles_is_not_treated_as_new() {
    let Some((place, _, _)) = locked() else { return };
    let path = place.path().join("profiles/images.lock");
    let text = fs_err::read_to_string(&path).unwrap();
    let head = text.split("\n\n").next().unwrap().replace("[\"relay\"]", "[]");
    fs_err::write(&path, format!("{head}\n")).unwrap();
    for arguments in [&["lock"][..], &["lock", "--check"]] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("lists no profile"), "{}", ran.stderr);
    }
}

#[test]
fn check_lists_missing_and_superfluous_images() {
    let Some((place, _, name)) = locked() else { return };
    let other = name.replace(":v1", ":v2");
    place.write_profile("relay", &other, "");
    let before = place.lock();
    let ran = place.run(&["lock", "--check"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(
        ran.stdout.lines().collect::<Vec<_>>()[..2],
        [format!("missing      {other} (relay)"), format!("superfluous  {name}"),]
    );
    assert!(ran.stderr.contains("relay-bundle lock"), "{}", ran.stderr);
    let report = place.run(&["lock", "--check", "--json"]).json();
    assert_eq!(report["complete"], false);
    assert_eq!(report["missing"][0]["name"], other.as_str());
    assert_eq!(report["missing"][0]["profiles"][0], "relay");
    assert_eq!(report["superfluous"][0], name.as_str());
    assert_eq!(place.lock(), before);
}

#[test]
fn check_of_unlisted_profile_finds_its_images_missing() {
    let Some((place, _, _)) = locked() else { return };
    place.write_profile("other", "registry.example.internal/other:v1", "");
    assert_eq!(place.run(&["lock", "--check"]).code, Some(0));
    assert_eq!(place.run(&["lock", "--check", "other"]).code, Some(1));
}

#[test]
fn check_notes_version_that_disagrees_with_tag() {
    let Some((place, _, _)) = locked() else { return };
    let ran = place.run(&["lock", "--check", "--json"]);
    let note = ran.json()["notes"][0].as_str().unwrap().to_owned();
    assert!(note.contains("release.appVersion is v1.1.314, but image.tag is v1"), "{note}");
}

#[test]
fn check_notes_pinned_digest_that_disagrees_with_tag() {
    let Some(registry) = Registry::start(Program::DockerRegistry, Access::Plain) else { return };
    let (old, new) = (Image::small(Format::Oci, "old"), Image::small(Format::Oci, "new"));
    registry.push("app", "v1", &old);
    registry.push("app", "v1", &new);
    let name = format!("{}/app:v1", registry.address);
    let place = Workplace::with_image(&name);
    place.write_profile("pinned", &format!("{name}@{}", old.manifest.digest), "");
    place.ok(&["lock"]);
    drop(registry);
    let ran = place.run(&["lock", "--check", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let report = ran.json();
    let notes: Vec<&str> =
        report["notes"].as_array().unwrap().iter().filter_map(|note| note.as_str()).collect();
    let expected =
        format!("`{name}` was {}, but a profile pins {}", new.manifest.digest, old.manifest.digest);
    assert!(notes.contains(&expected.as_str()), "{notes:?}");
}

#[test]
fn check_without_lock_says_how_to_write_one() {
    let place = Workplace::with_image("registry.example.internal/app:v1");
    let ran = place.run(&["lock", "--check"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`profiles/images.lock` does not exist"), "{}", ran.stderr);
}

/// Returns all non-canonical forms of a good lock.
fn respelled(lock: &str) -> [(&'static str, String); 8] {
    [
        ("no comment", lock.replacen("# Written by `relay-bundle lock`.\n", "", 1)),
        ("a blank line", format!("{lock}\n")),
        ("line ends of Windows", lock.replace('\n', "\r\n")),
        ("another quote", lock.replacen("\"relay\"", "'relay'", 1)),
        ("a profile twice", lock.replacen("[\"relay\"]", "[\"relay\", \"relay\"]", 1)),
        ("another key", format!("{lock}other = 1\n")),
        ("another schema", lock.replacen("images-lock/v1", "images-lock/v2", 1)),
        ("an image twice", lock.to_owned() + &lock[lock.find("\n[[image]]").unwrap()..]),
    ]
}

#[test]
fn lock_of_another_spelling_is_refused_everywhere() {
    let Some((place, _, _)) = locked() else { return };
    for (what, text) in respelled(&place.lock().unwrap()) {
        place.write("profiles/images.lock", &text);
        for command in
            [&["lock"][..], &["lock", "--check"], &["build", "relay"], &["fetch", "relay"]]
        {
            let ran = place.run(command);
            assert_eq!(ran.code, Some(2), "{what}: {command:?}: {}", ran.stderr);
            assert!(ran.stderr.contains("images.lock"), "{what}: {command:?}: {}", ran.stderr);
        }
        assert_eq!(place.read("profiles/images.lock"), text, "{what}");
    }
    assert!(!place.path().join("bundles").exists());
}

#[test]
fn build_of_image_that_lock_lacks_is_refused() {
    let Some((place, _, name)) = locked() else { return };
    place.write_profile("relay", &name.replace(":v1", ":v2"), "");
    let ran = place.run(&["build", "relay"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("RB0361") && ran.stderr.contains("relay-bundle lock relay"),
        "{}",
        ran.stderr
    );
    assert!(!place.path().join("bundles").exists());
}

#[test]
fn build_pins_each_reference() {
    let Some((place, image, name)) = locked() else { return };
    let images = place.ok(&["images", "relay", "--quiet"]);
    assert_eq!(images, format!("{name}@{}\n", image.manifest.digest));
}

#[test]
fn lock_for_other_profiles_changes_no_content_id() {
    let Some((place, _, _)) = locked() else { return };
    place.write_profile("other", "registry.example.internal/other:v1", "");
    let with_lock = content_id(&place, "other");
    fs_err::remove_file(place.path().join("profiles/images.lock")).unwrap();
    assert_eq!(content_id(&place, "other"), with_lock);
}

#[test]
fn build_without_lock_warns_of_tags() {
    let Some((place, _, name)) = locked() else { return };
    place.write_profile("other", &name, "");
    let text = place.read("profiles/other.toml");
    let text = text.replace("environment = \"dev\"", "environment = \"production\"");
    place.write("profiles/other.toml", &text);
    let ran = place.run(&["build", "other"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("RB0402"), "{}", ran.stderr);
}

#[test]
fn two_sources_under_one_name_are_refused() {
    let registries = [Program::DockerRegistry, Program::DockerRegistry];
    let [Some(one), Some(two)] = registries.map(|program| Registry::start(program, Access::Plain))
    else {
        return;
    };
    let place = Workplace::new();
    for (registry, text) in [(&one, "one"), (&two, "two")] {
        registry.push("app", "v1", &Image::small(Format::Oci, text));
    }
    let more = format!(
        "images.registry = \"registry.example.internal:5000\"\n\
         extraContainers = [{{ name = \"other\", image = \"{}/app:v1\" }}]\n",
        two.address
    );
    place.write_profile("relay", &format!("{}/app:v1", one.address), &more);
    let locked = place.run(&["lock"]);
    assert_eq!(locked.code, Some(0), "{}", locked.stderr);
    let ran = place.run(&["build", "relay"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("RB0362"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`registry.example.internal:5000/app:v1` would be two images"),
        "{}",
        ran.stderr
    );
    // The error names both places.
    assert!(
        ran.stderr.contains("extraContainers") && ran.stderr.contains("`image`"),
        "{}",
        ran.stderr
    );
}
