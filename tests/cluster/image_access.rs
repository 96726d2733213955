//! Credentials with which `apply` asks a registry for images: pull Secrets of the pods, and the
//! files of the operator.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::carried::{image_of, put};
use crate::images::{build, push};
use crate::oci::registry::{Access, Program, Registry};
use crate::site::Site;

const SECRET: &str = "regcred";
const CONFIG_JSON: (&str, &str) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");
const DOCKERCFG: (&str, &str) = ("kubernetes.io/dockercfg", ".dockercfg");
const OPERATOR_FILE: &str = ".docker/config.json";

/// The pull Secrets that the pods of a bundle name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PullSecrets {
    None,
    One,
}

/// A bundle whose images are in a registry that requires a login.
struct Private {
    site: Site,
    /// The settings of the bundle.
    settings: Vec<String>,
    registry: Registry,
    bundle: Utf8PathBuf,
    ca: String,
}

/// Locks both images, and builds them into a bundle.
fn build_with(site: &Site, registry: &Registry, settings: &[String]) -> Utf8PathBuf {
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let images = [&image_of(&[b"relay"]), &image_of(&[b"redis"])];
    build(site, &registry.address, images, &settings)
}

impl Private {
    /// Pushes the images with `auth.json`, a file that `apply` does not read by itself.
    fn start(namespace: &str, secrets: PullSecrets) -> Option<Self> {
        let site = Site::new(namespace)?;
        let registry = Registry::start(Program::Distribution, Access::Basic)?;
        let setting = format!("imagePullSecrets=[{{ name = \"{SECRET}\" }}]");
        let settings = if secrets == PullSecrets::One { vec![setting] } else { vec![] };
        let bundle = build_with(&site, &registry, &settings);
        let site = site.with_namespace();
        let ca = registry.ca_folder().join("ca.crt").display().to_string();
        registry.write_credentials(site.path().join("auth.json").as_std_path());
        push(&site, &bundle, &["--ca", &ca, "--registry-config", "auth.json"]);
        Some(Self { site, settings, registry, bundle, ca })
    }

    /// Returns the login that the registry accepts, as the value of `auths`.
    fn login(&self) -> Value {
        let text = fs_err::read_to_string(self.site.path().join("auth.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["auths"].clone()
    }

    /// Returns an entry for the registry, as the value of `auths`.
    fn entry(&self, auth: &str) -> Value {
        json!({ self.registry.address.as_str(): { "auth": auth } })
    }

    /// Returns a login that the registry rejects.
    fn wrong_login(&self) -> Value {
        self.entry(&BASE64_STANDARD.encode("mirror:s3cret"))
    }

    /// Writes the file that `docker login` writes.
    fn log_operator_in(&self, auths: &Value) {
        let text = json!({ "auths": auths }).to_string();
        put(&self.site.path().join(OPERATOR_FILE), text.as_bytes());
    }

    /// Writes the pull Secret, in place of a former one.
    fn set_secret(&self, (secret_type, key): (&str, &str), content: &Value) {
        let (plane, namespace) = (self.site.plane, &self.site.namespace);
        plane.kubectl(&["delete", "secret", SECRET, "-n", namespace, "--ignore-not-found"]);
        plane.ensure(
            &json!({
                "apiVersion": "v1", "kind": "Secret", "type": secret_type,
                "metadata": {"name": SECRET, "namespace": namespace},
                "stringData": {key: content.to_string()},
            })
            .to_string(),
        );
    }

    /// Writes a pull Secret of the usual type.
    fn set_config_json(&self, auths: &Value) {
        self.set_secret(CONFIG_JSON, &json!({ "auths": auths }));
    }

    /// Plans, and returns the state of the relay's image; both images have the same.
    #[track_caller]
    fn look(&self, options: &[&str]) -> Value {
        let own = ["--dry-run", "--json", "--ca", &self.ca];
        let ran = self.site.apply(&self.bundle, &[&own, options].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("s3cret"));
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        let [one, other] = report["images"].as_array().unwrap().as_slice() else { panic!() };
        assert_eq!(one["state"], other["state"], "{report}");
        one.clone()
    }

    #[track_caller]
    fn is_there(&self, options: &[&str]) {
        let image = self.look(options);
        assert_eq!(image["state"], "there", "{image}");
    }

    /// Checks that the image is not checked, and why.
    #[track_caller]
    fn is_unchecked(&self, options: &[&str], reasons: &[&str]) {
        let image = self.look(options);
        assert_eq!(image["state"], "notChecked", "{image}");
        let why = image["why"].as_str().unwrap();
        assert!(reasons.iter().all(|reason| why.contains(reason)), "{reasons:?}: {why}");
    }
}

#[test]
fn operator_login_is_used_for_pods_without_pull_secret() {
    let Some(private) = Private::start("image-operator", PullSecrets::None) else { return };
    private.is_unchecked(&[], &["HTTP 401"]);
    private.is_there(&["--registry-config", "auth.json"]);
    private.log_operator_in(&private.login());
    private.is_there(&[]);
}

#[test]
fn rollback_authenticates_to_registry_with_pull_secret() {
    let Some(private) = Private::start("image-back", PullSecrets::One) else { return };
    private.set_config_json(&private.login());
    let Private { site, registry, ca, .. } = &private;
    let changed = [private.settings.clone(), vec!["config.defaultTokenLimit=7".to_owned()]];
    let newer = build_with(site, registry, &changed.concat());
    for bundle in [&private.bundle, &newer] {
        site.applied(bundle, &["--images", "check", "--ca", ca]);
    }
    let own = ["rollback", "-n", &site.namespace, "--trust", "trust.toml", "--ca", ca];
    let look = || {
        let ran = site.call(&[&own[..], &["--dry-run", "--json"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["images"][0].clone()
    };

    // The running pods name the Secret, which is replaced.
    site.takes_away_what_pods_name();
    private.set_config_json(&private.wrong_login());
    let denied = look();
    assert_eq!(denied["state"], "notChecked", "{denied}");
    assert!(denied["why"].as_str().unwrap().contains("HTTP 401"), "{denied}");
    private.set_config_json(&private.login());
    assert_eq!(look()["state"], "there");
    let back = site.called(&[&own[..], &["--images", "check"]].concat());
    assert_eq!(back["done"]["generation"], 3, "{back}");
}

#[test]
fn pull_secret_takes_precedence_over_operator_login() {
    let Some(private) = Private::start("image-precedence", PullSecrets::One) else { return };
    private.log_operator_in(&private.wrong_login());
    private.set_config_json(&private.login());
    private.is_there(&[]);
    private.log_operator_in(&private.login());
    private.set_config_json(&private.wrong_login());
    private.is_unchecked(&[], &["HTTP 401"]);
}

#[test]
fn registry_config_option_replaces_pull_secret() {
    let Some(private) = Private::start("image-option", PullSecrets::One) else { return };
    private.set_config_json(&private.wrong_login());
    private.is_there(&["--registry-config", "auth.json"]);
    private.set_config_json(&private.login());
    put(&private.site.path().join("empty.json"), b"{}");
    private.is_unchecked(&["--registry-config", "empty.json"], &["HTTP 401"]);
}

#[test]
fn operator_login_is_used_if_pull_secret_lacks_registry() {
    let Some(private) = Private::start("image-elsewhere", PullSecrets::One) else { return };
    let elsewhere = BASE64_STANDARD.encode("me:s3cret");
    private.set_config_json(&json!({ "other.example": { "auth": elsewhere } }));
    private.is_unchecked(&[], &["HTTP 401"]);
    private.log_operator_in(&private.login());
    private.is_there(&[]);
}

#[test]
fn pull_secret_that_cannot_be_used_is_named() {
    let Some(private) = Private::start("image-damaged", PullSecrets::One) else { return };
    private.set_config_json(&private.entry("s3cret!"));
    let why = "the pull secret `regcred` cannot be used: the credentials for `127.0.0.1:";
    private.is_unchecked(&[], &["HTTP 401", why, "are not base64 of USER:PASSWORD"]);
    private.set_secret(CONFIG_JSON, &json!({ "auths": ["s3cret"] }));
    private
        .is_unchecked(&[], &["the pull secret `regcred` cannot be used: `Secret/regcred` is not"]);
    private.set_secret(("Opaque", CONFIG_JSON.1), &json!({ "auths": private.login() }));
    private.is_unchecked(&[], &["the pull secret `regcred` is ignored: its type is `Opaque`"]);
    private.log_operator_in(&private.login());
    private.is_there(&[]);
}

#[test]
fn dockercfg_pull_secret_is_used() {
    let Some(private) = Private::start("image-dockercfg", PullSecrets::One) else { return };
    private.set_secret(DOCKERCFG, &private.login());
    private.is_there(&[]);
    private.set_secret(DOCKERCFG, &private.wrong_login());
    private.is_unchecked(&[], &["HTTP 401"]);
}
