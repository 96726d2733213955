//! The profiles that the matrix changes, one key at a time. They use as many features as possible.

use std::collections::BTreeMap;

use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;

#[path = "../support/sealed_files.rs"]
#[expect(dead_code, reason = "other tests have sealed files that state their place")]
mod sealed_files;

/// Its own Redis with a password, Fluent Bit, the exporter, and all objects around the pods.
pub(crate) const INTERNAL: &str = "internal";
/// The same with one pod, which single-node volumes need.
pub(crate) const SINGLE: &str = "single";
/// One pod whose logs are on a volume.
pub(crate) const LOGS: &str = "logs";
/// The same as `internal` with an autoscaler.
pub(crate) const SCALED: &str = "scaled";
/// An external Redis, and only the required settings.
pub(crate) const EXTERNAL: &str = "external";

pub(crate) const BASES: [&str; 5] = [INTERNAL, SINGLE, LOGS, SCALED, EXTERNAL];

const INTERNAL_TEXT: &str = r#"
replicaCount = 2
priorityClassName = "relay"
podAnnotations = { team = "a" }
podLabels = { team = "a" }
nodeSelector = { disk = "ssd" }
imagePullSecrets = [{ name = "pull" }]
extraVolumes = [{ name = "own-ca", configMap = { name = "own-ca" } }]
extraVolumeMounts = [{ name = "own-ca", mountPath = "/etc/own-ca", readOnly = true }]

[release]
name = "relay"
namespace = "relay"
environment = "dev"
appVersion = "v1.1.314"
recoveryRecipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]

[kubernetes]
version = "1.29"

[config]
jwtSecret = { value = "first-literal-value", revision = 1 }
adminPassword = { existing = { name = "admin", key = "password", revision = 1 } }

[redis.auth]
enabled = true

[ingress]
enabled = true
className = "nginx"
hosts = [{ host = "relay.example.internal", paths = [{ path = "/", pathType = "Prefix" }] }]
tls = [{ secretName = "relay-tls", hosts = ["relay.example.internal"] }]

[gateway]
enabled = true
parentRefs = [{ name = "public", namespace = "infra" }]
hostnames = ["relay.example.internal"]

[service]
type = "LoadBalancer"

[networkPolicy]
enabled = true
ingressFrom = [{ namespaceSelector = { matchLabels = { team = "web" } } }]
egressTo = [{ to = [{ ipBlock = { cidr = "10.0.0.0/8" } }] }]

[podDisruptionBudget]
enabled = true
maxUnavailable = 1

[serviceMonitor]
enabled = true

[storage.data.external]
enabled = true
accessMode = "ReadWriteMany"

[storage.logs.fluentbit.output]
type = "loki"
config = { host = "loki.example.internal", tenant_id = "relay" }
"#;

const EXTERNAL_TEXT: &str = r#"
replicaCount = 3
redis.enabled = false

[release]
name = "relay"
namespace = "relay"
environment = "dev"

[externalRedis]
host = "redis.example.internal"
port = 6379
password = { existing = { name = "redis", key = "password", revision = 1 } }

[podDisruptionBudget]
enabled = true
minAvailable = 1
"#;

/// The bases, and one profile on top of one of them.
pub(crate) struct Bases(BTreeMap<&'static str, String>);

impl Bases {
    /// Returns the bases with the profile `changed`.
    pub(crate) fn with(changed: String) -> Self {
        let texts = [
            (INTERNAL, INTERNAL_TEXT.to_owned()),
            (SINGLE, "extends = [\"internal\"]\nreplicaCount = 1\n".to_owned()),
            (
                LOGS,
                "extends = [\"single\"]\n[storage.logs]\nmode = \"pvc\"\npersistence.accessMode = \"ReadWriteMany\"\n"
                    .to_owned(),
            ),
            (
                SCALED,
                "extends = [\"internal\"]\n[autoscaling]\nenabled = true\nminReplicas = 2\nmaxReplicas = 4\n"
                    .to_owned(),
            ),
            (EXTERNAL, EXTERNAL_TEXT.to_owned()),
            ("changed", changed),
        ];
        Self(BTreeMap::from(texts))
    }
}

impl ProfileFiles for Bases {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        let text = self.0.get(name).ok_or_else(|| format!("profile `{name}` does not exist"))?;
        Ok((format!("{name}.toml"), text.as_bytes().to_vec()))
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "secrets/one.age" => Ok(sealed_files::without_place()),
            _ => Err(format!("file `{path}` does not exist")),
        }
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().map(ToString::to_string).collect()
    }
}
