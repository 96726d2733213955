//! A site with known secrets that must not be printed anywhere.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::model::digest::Digest;
use relay_bundle::sealed::{Identities, Recovery};
use serde_json::Value;

use crate::site::{Ran, Site};

pub(crate) const NAME: &str = "relay-loki";
pub(crate) const KEY: &str = "relay-loki-claude-relay-encryption-key";
pub(crate) const GENERATED: &str = "relay-loki-claude-relay-generated";
pub(crate) const SEALED: &str = "relay-loki-claude-relay-sealed";

/// Key pairs that only tests use.
pub(crate) const KEYS: [(&str, &str); 2] = [
    (
        "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33",
        "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa",
    ),
    (
        "AGE-SECRET-KEY-1XPQFKVTXE83K03X379DUXV64RWX0TQ5PWQA39KSFDFQ3KS2256CS99Q335",
        "age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms",
    ),
];

/// A site whose installation generates its secrets, except for those that a test seals.
///
/// The files `key` and `other` hold the private keys; the first one can recover the generated
/// secrets.
pub(crate) struct Vault {
    pub(crate) site: Site,
    /// All output so far.
    said: RefCell<String>,
}

impl Vault {
    pub(crate) fn new(namespace: &str) -> Option<Self> {
        let site = Site::new(namespace)?.with_namespace();
        for (name, (private, _)) in ["key", "other"].into_iter().zip(KEYS) {
            write_private(&site.path().join(name), private);
        }
        let credentials =
            ["create", "secret", "generic", "loki-credentials", "--from-literal=password=x"];
        let own: Vec<&str> = ["-n", namespace].into_iter().chain(credentials).collect();
        site.plane.kubectl(&own);
        let vault = Self { site, said: RefCell::default() };
        vault.profile(&[]);
        Some(vault)
    }

    /// Writes the shipped profile with the first key as recovery recipient, and with these lines in
    /// `[config]`.
    pub(crate) fn profile(&self, config: &[&str]) {
        self.profile_for(&[KEYS[0].1], config);
    }

    pub(crate) fn profile_for(&self, recipients: &[&str], config: &[&str]) {
        let text = fs_err::read_to_string("profiles/loki-logging.toml").unwrap();
        let (before, rest) = text.split_once("recoveryRecipients = ").unwrap();
        let (_, after) = rest.split_once('\n').unwrap();
        let config = config.join("\n");
        let text =
            format!("{before}recoveryRecipients = {recipients:?}\n{after}\n[config]\n{config}\n");
        fs_err::write(self.site.path().join("profiles/loki-logging.toml"), text).unwrap();
    }

    /// Seals a value, and returns the profile's line for it.
    pub(crate) fn seal(&self, key: &str, value: &str) -> String {
        let name = key.rsplit('.').next().unwrap().to_lowercase();
        write_private(&self.site.path().join("value"), value);
        let (set, file) = (
            format!("release.namespace=\"{}\"", self.site.namespace),
            format!("secrets/{name}.age"),
        );
        let arguments = [
            "secrets",
            "encrypt",
            "loki-logging",
            key,
            "--value-file",
            "value",
            "--replace",
            "--set",
        ];
        let path = self.site.path().join("profiles").join(&file);
        let named = ["--file", &file, "--recipient", KEYS[0].1];
        let stated =
            fs_err::read_to_string(self.site.path().join("profiles/loki-logging.toml")).unwrap();
        let named = if stated.contains(&file) { &named[2..] } else { &named[..] };
        let all: Vec<&str> =
            arguments.into_iter().chain([set.as_str()]).chain(named.iter().copied()).collect();
        self.ok(self.site.run(&all));
        assert!(path.exists());
        format!("{} = {{ age = \"{file}\" }}", key.rsplit('.').next().unwrap())
    }

    pub(crate) fn build(&self) -> Utf8PathBuf {
        self.site.build("loki-logging", &[])
    }

    /// Runs `apply --yes`.
    pub(crate) fn apply(&self, bundle: &Utf8Path, arguments: &[&str]) -> Ran {
        let all: Vec<&str> = ["--yes"].into_iter().chain(arguments.iter().copied()).collect();
        self.hear(self.site.apply(bundle, &all))
    }

    /// Runs `apply --yes`, which must succeed, and returns its report.
    #[track_caller]
    pub(crate) fn applied(&self, bundle: &Utf8Path, arguments: &[&str]) -> Value {
        let all: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().copied()).collect();
        let ran = self.ok(self.apply(bundle, &all));
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Runs a command with the cluster's kubeconfig.
    pub(crate) fn call(&self, arguments: &[&str]) -> Ran {
        self.hear(self.site.call(arguments))
    }

    /// Records the output of a command.
    pub(crate) fn hear(&self, ran: Ran) -> Ran {
        self.said.borrow_mut().extend([ran.stdout.as_str(), ran.stderr.as_str()]);
        ran
    }

    #[track_caller]
    pub(crate) fn ok(&self, ran: Ran) -> Ran {
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        self.hear(ran)
    }

    /// Returns a value of a Secret, or `None` if the Secret or the key does not exist.
    pub(crate) fn value(&self, secret: &str, key: &str) -> Option<String> {
        self.values(&[(secret, key)]).pop().map(|(_, value)| value)
    }

    /// Returns the existing values, as `secret/key` and value.
    pub(crate) fn values(&self, wanted: &[(&str, &str)]) -> Vec<(String, String)> {
        let secrets = self.site.plane.list(&self.site.namespace, "secrets");
        let value = |(secret, key): &(&str, &str)| {
            let object = secrets.iter().find(|object| object["metadata"]["name"] == *secret)?;
            let bytes = STANDARD.decode(object["data"][key].as_str()?).unwrap();
            Some((format!("{secret}/{key}"), String::from_utf8(bytes).unwrap()))
        };
        wanted.iter().filter_map(value).collect()
    }

    /// Returns the encrypted copies in the record, newest last.
    pub(crate) fn copies(&self) -> Vec<String> {
        let records = self.site.plane.list(&self.site.namespace, "configmaps");
        let name = format!("relay-bundle.{NAME}.recovery");
        let Some(record) =
            records.iter().find(|record| record["metadata"]["name"] == name.as_str())
        else {
            return Vec::new();
        };
        let copy = |number: u32| {
            Some(record["data"][format!("recovery-{number}.age")].as_str()?.to_owned())
        };
        (1..100).filter_map(copy).collect()
    }

    /// Asserts that no value, and no text that reveals one, was printed or is in the namespace
    /// outside of a Secret's data.
    #[track_caller]
    pub(crate) fn is_silent(&self, values: &[&str]) {
        let kinds = "configmaps,secrets,deployments,statefulsets,replicasets,controllerrevisions,pods,events,services";
        let list = ["get", kinds, "-o", "json", "--show-managed-fields"];
        let own: Vec<&str> = ["-n", &self.site.namespace].into_iter().chain(list).collect();
        let mut objects: Value = serde_json::from_str(&self.site.plane.kubectl(&own)).unwrap();
        for object in objects["items"].as_array_mut().unwrap() {
            if object["kind"] == "Secret" {
                object.as_object_mut().unwrap().remove("data");
            }
        }
        let (objects, said) = (objects.to_string(), self.said.borrow());
        assert!(objects.len() > 1000 && !said.is_empty());
        for value in values {
            // The middle of the value in base64, for each alignment in a text.
            let encoded = |shift: usize| {
                let text = STANDARD.encode(format!("{}{value}", "x".repeat(shift)));
                text[4..text.len() - 4].to_owned()
            };
            let digest = Digest::of(value.as_bytes()).to_string();
            let traces =
                [(*value).to_owned(), encoded(0), encoded(1), encoded(2), digest[..16].to_owned()];
            for trace in traces {
                assert!(!said.contains(&trace), "{trace} of {value} was said: {said}");
                assert!(!objects.contains(&trace), "{trace} of {value} is in the cluster");
            }
        }
    }
}

pub(crate) fn write_private(path: &Utf8Path, text: &str) {
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Returns the content of an encrypted backup, as `secret/key` and value.
pub(crate) fn recovered(file: &[u8], (private, _): (&str, &str)) -> Vec<(String, String)> {
    let identities = Identities::parse(private.as_bytes()).ok().unwrap();
    let recovery = Recovery::open(file, &identities).ok().unwrap();
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let secrets = recovery.secrets.iter();
    secrets
        .flat_map(|saved| {
            saved
                .data
                .iter()
                .map(|(key, value)| (format!("{}/{key}", saved.name), text(value.expose())))
        })
        .collect()
}
