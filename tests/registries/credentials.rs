//! The places where `lock` finds credentials and certificates for a real registry.

use std::process::Command;

use crate::hosts::mapped;
use crate::lock::{each_registry, expected};
use crate::oci::image::{Format, Image};
use crate::oci::registry::{Access, Program, Registry};
use crate::workplace::{Ran, Workplace};

/// Pushes one image to a registry, and returns a folder with a profile that names it.
fn prepared(registry: &Registry) -> (Workplace, Image) {
    let image = Image::small(Format::Oci, "hello");
    registry.push("app", "v1", &image);
    (Workplace::with_image(&format!("{}/app:v1", registry.address)), image)
}

fn ca(registry: &Registry) -> String {
    registry.ca_folder().join("ca.crt").display().to_string()
}

/// Locks with the credentials in `file`; `set` points the program to it.
#[track_caller]
fn locks_with(registry: &Registry, file: &str, set: impl Fn(&Workplace, &mut Command)) {
    let (place, _) = prepared(registry);
    let path = place.path().join(file);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    registry.write_credentials(&path);
    let mut command = place.command(&["lock", "--ca", &ca(registry)]);
    set(&place, &mut command);
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(0), "{file}: {}", ran.stderr);
    assert!(place.lock().is_some());
}

#[test]
fn credentials_are_found_in_each_place() {
    each_registry(&[Access::Basic, Access::Bearer], |registry| {
        locks_with(registry, "own.json", |_, command| {
            command.args(["--registry-config", "own.json"]);
        });
        locks_with(registry, "own.json", |place, command| {
            command.env("REGISTRY_AUTH_FILE", place.path().join("own.json"));
        });
        locks_with(registry, "docker/config.json", |place, command| {
            command.env("DOCKER_CONFIG", place.path().join("docker"));
        });
        locks_with(registry, ".docker/config.json", |_, _| {});
        locks_with(registry, "run/containers/auth.json", |place, command| {
            command.env("XDG_RUNTIME_DIR", place.path().join("run"));
        });
    });
}

#[test]
fn lock_without_credentials_says_where_they_go() {
    each_registry(&[Access::Basic, Access::Bearer], |registry| {
        let (place, _) = prepared(registry);
        let ran = place.run(&["lock", "--ca", &ca(registry)]);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: ") && ran.stderr.contains("login"), "{}", ran.stderr);
        assert_eq!(place.lock(), None);
    });
}

#[test]
fn wrong_password_is_refused_and_not_shown() {
    each_registry(&[Access::Basic, Access::Bearer], |registry| {
        let (place, _) = prepared(registry);
        let login = "bWlycm9yOnNlY3JldC13b3Jk"; // mirror:secret-word
        let auth = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{login}\"}}}}}}", registry.address);
        place.write("wrong.json", &auth);
        let ran = place.run(&[
            "lock",
            "--ca",
            &ca(registry),
            "--registry-config",
            "wrong.json",
            "--json",
        ]);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        let said = ran.stdout.clone() + &ran.stderr;
        assert!(!said.contains("secret-word") && !said.contains(login), "{said}");
        assert_eq!(place.lock(), None);
    });
}

#[test]
fn certificates_of_ssl_cert_file_count() {
    each_registry(&[Access::Basic], |registry| {
        let (place, _) = prepared(registry);
        registry.write_credentials(&place.path().join("auth.json"));
        let mut command = place.command(&["lock", "--registry-config", "auth.json"]);
        let ran = Ran::of(command.env("SSL_CERT_FILE", registry.ca_folder().join("ca.crt")));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    });
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let Some(other) = Registry::start(Program::DockerRegistry, Access::Basic) else { return };
    each_registry(&[Access::Basic], |registry| {
        let (place, _) = prepared(registry);
        registry.write_credentials(&place.path().join("auth.json"));
        let options = ["lock", "--registry-config", "auth.json"];
        let with_ca: Vec<&str> = options.into_iter().chain(["--ca"]).collect();
        let other_ca = ca(&other);
        for arguments in [&options[..], &[&with_ca[..], &[&other_ca]].concat()] {
            let ran = place.run(arguments);
            assert_eq!(ran.code, Some(4), "{}", ran.stderr);
            assert!(ran.stderr.contains("signed by an unknown authority"), "{}", ran.stderr);
            assert!(ran.stderr.contains("--ca"), "{}", ran.stderr);
            assert_eq!(place.lock(), None);
        }
    });
}

#[test]
fn ca_file_without_certificate_is_refused() {
    let place = Workplace::with_image("registry.example.internal/app:v1");
    place.write("ca.crt", "no certificate\n");
    let ran = place.run(&["lock", "--ca", "ca.crt"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`ca.crt` has no certificate"), "{}", ran.stderr);
}

/// A host name other than loopback's needs `--plain-http` for HTTP, even if it resolves to this
/// machine.
#[test]
fn plain_http_to_named_host_needs_its_option() {
    let Some(mapped) = mapped(&[("127.0.0.1", "registry.example.internal")]) else { return };
    each_registry(&[Access::Plain], |registry| {
        let image = Image::small(Format::Oci, "hello");
        registry.push("app", "v1", &image);
        let port = registry.address.rsplit_once(':').unwrap().1;
        let host = format!("registry.example.internal:{port}");
        let name = format!("{host}/app:v1");
        let place = Workplace::with_image(&name);

        let refused = Ran::of(&mut mapped.command(&place, &["lock"]));
        assert_eq!(refused.code, Some(4), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("--plain-http {host}")), "{}", refused.stderr);
        assert_eq!(place.lock(), None);

        let ran = Ran::of(&mut mapped.command(&place, &["lock", "--plain-http", &host]));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let expected = expected("linux/amd64", &name, &image.manifest.digest, &image);
        assert_eq!(place.lock(), Some(expected));
    });
}
