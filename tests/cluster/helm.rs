//! A release of the chart in `chart`, installed by the real Helm, and the profile that the command
//! `import helm` derives from it.

use std::path::PathBuf;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::site::{Ran, Site};
use crate::tools::skip;

/// The release, named like the bundle: it contains the app's name, so the relay's objects have this
/// name.
pub(crate) const RELEASE: &str = "claude-relay";
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/chart");

/// With a password set, the chart does not generate one at each start.
pub(crate) const ADMIN: &str = "config.adminUsername=admin,config.adminPassword=not-for-production";
/// The chart's Secret.
pub(crate) const SECRET: &str = "claude-relay-secret";

/// A namespace with a release.
pub(crate) struct Helm {
    pub(crate) site: Site,
    program: PathBuf,
}

impl Helm {
    /// Installs the chart; `None` without a control plane or helm.
    pub(crate) fn install(namespace: &str, values: &[&str]) -> Option<Self> {
        Self::install_at(Site::new(namespace)?, values)
    }

    /// Installs the chart; `None` without helm.
    pub(crate) fn install_at(site: Site, values: &[&str]) -> Option<Self> {
        let program = site.plane.tools().ancestors().nth(2).unwrap().join("clients/helm");
        if !program.is_file() {
            skip("helm is missing: `.ci/tools` brings it");
            return None;
        }
        let helm = Self { site: site.with_namespace(), program };
        helm.chart("install", values);
        Some(helm)
    }

    /// Installs or upgrades the chart, and waits until its pods are ready.
    #[track_caller]
    pub(crate) fn chart(&self, verb: &str, values: &[&str]) {
        let mut all = vec![verb, RELEASE, CHART, "--wait", "--timeout=60s"];
        all.extend(values.iter().flat_map(|value| ["--set", value]));
        let ran = self.helm(&all);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }

    /// Calls helm in the namespace.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(["--namespace", &self.site.namespace]).env_clear();
        command.env("KUBECONFIG", &self.site.plane.kubeconfig).env("HOME", self.site.path());
        Ran::of(command.output().unwrap())
    }

    /// Imports the release's values into a profile as the documentation says, and builds and signs
    /// it.
    #[track_caller]
    pub(crate) fn build(&self, settings: &[&str]) -> Utf8PathBuf {
        let values = self.helm(&["get", "values", RELEASE]);
        assert_eq!(values.code, 0, "{}", values.stderr);
        fs_err::write(self.site.path().join("values.yaml"), values.stdout).unwrap();
        let namespace = self.site.namespace.as_str();
        let imported = self.site.run(&[
            "import",
            "helm",
            "values.yaml",
            "--release",
            RELEASE,
            "--namespace",
            namespace,
        ]);
        assert_eq!(imported.code, 0, "{}", imported.stderr);
        fs_err::write(self.site.path().join("profiles/production.toml"), imported.stdout).unwrap();
        self.site.build("production", settings)
    }

    /// Builds like [`Helm::build`], but with keys of the bundle instead of the chart's Secret.
    #[track_caller]
    pub(crate) fn build_with_own_keys(&self) -> Utf8PathBuf {
        self.build(&[]);
        let profile = self.site.path().join("profiles/production.toml");
        let text = fs_err::read_to_string(&profile).unwrap();
        let is_reference =
            |line: &&str| line.starts_with("encryptionKey") || line.starts_with("jwtSecret");
        let kept: Vec<&str> = text.lines().filter(|line| !is_reference(line)).collect();
        assert_eq!(text.lines().count(), kept.len() + 2, "{text}");
        fs_err::write(&profile, kept.join("\n")).unwrap();
        self.site.build("production", &[])
    }

    /// Runs `adopt`.
    pub(crate) fn adopt(&self, bundle: &Utf8Path, arguments: &[&str]) -> Ran {
        let kubeconfig = self.site.plane.kubeconfig.to_str().unwrap();
        self.site.run(&[&adoption(bundle)[..], &["--kubeconfig", kubeconfig], arguments].concat())
    }

    /// Adopts the release, which must succeed, and returns the report.
    #[track_caller]
    pub(crate) fn adopted(&self, bundle: &Utf8Path, arguments: &[&str]) -> Value {
        let all: Vec<&str> = ["--yes", "--recreate-redis", "--json"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let ran = self.adopt(bundle, &all);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Returns the value of a key of a Secret, in base64.
    #[track_caller]
    pub(crate) fn value(&self, secret: &str, key: &str) -> String {
        let secret = self.site.plane.get(&self.site.namespace, &format!("secret/{secret}"));
        secret["data"][key].as_str().unwrap_or_else(|| panic!("{key} is missing")).to_owned()
    }

    /// Returns the names and UIDs of the pods that are not terminating.
    #[track_caller]
    pub(crate) fn pods(&self) -> Vec<(String, String)> {
        let pods = self.site.plane.list(&self.site.namespace, "pods");
        let live = pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none());
        let text = |pod: &Value, field: &str| pod["metadata"][field].as_str().unwrap().to_owned();
        live.map(|pod| (text(pod, "name"), text(pod, "uid"))).collect()
    }

    /// Returns every object with traces of Helm.
    #[track_caller]
    pub(crate) fn traces(&self) -> Vec<String> {
        let kinds = "configmaps,secrets,services,serviceaccounts,persistentvolumeclaims,deployments,statefulsets,\
                     ingresses,horizontalpodautoscalers";
        let text = self.site.plane.kubectl(&[
            "-n",
            &self.site.namespace,
            "get",
            kinds,
            "--show-managed-fields",
            "-o",
            "json",
        ]);
        let list: Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        for object in list["items"].as_array().unwrap() {
            let name = format!(
                "{}/{}",
                object["kind"].as_str().unwrap(),
                object["metadata"]["name"].as_str().unwrap()
            );
            let metadata = object["metadata"].to_string();
            for trace in [
                "\"manager\":\"helm\"",
                "meta.helm.sh/",
                "helm.sh/chart",
                "\"Helm\"",
                "\"owner\":\"helm\"",
            ] {
                if metadata.contains(trace) {
                    found.push(format!("{name}: {trace}"));
                }
            }
        }
        found
    }
}

/// Waits until the server's clock, which has whole seconds, advances.
fn next_second(helm: &Helm) {
    let site = &helm.site;
    let mut last = String::new();
    for number in 0.. {
        let name = format!("clock-{number}");
        site.plane.kubectl(&["-n", &site.namespace, "create", "configmap", &name]);
        let now = site.plane.get(&site.namespace, &format!("configmap/{name}"));
        site.plane.kubectl(&["-n", &site.namespace, "delete", "configmap", &name]);
        let now = now["metadata"]["creationTimestamp"].as_str().unwrap().to_owned();
        if !last.is_empty() && last != now {
            return;
        }
        last = now;
    }
}

/// Returns a release whose upgrade generated a new key that no pod uses, because the chart does not
/// restart pods for it.
pub(crate) fn with_newer_key(namespace: &str) -> Option<(Helm, [String; 2], [String; 2])> {
    let helm = Helm::install(namespace, &[ADMIN])?;
    let keys = || ["encryption-key", "jwt-secret"].map(|key| helm.value(SECRET, key));
    let running = keys();
    next_second(&helm);
    helm.chart("upgrade", &[ADMIN]);
    let stored = keys();
    assert_ne!(running, stored);
    Some((helm, running, stored))
}

/// Returns the command line that adopts the release with a bundle.
pub(crate) fn adoption(bundle: &Utf8Path) -> [&str; 6] {
    ["adopt", "--from-helm", RELEASE, bundle.as_str(), "--trust", "trust.toml"]
}
