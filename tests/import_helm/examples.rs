//! The examples of the chart's README.

use std::collections::BTreeSet;

use super::{convert, release, sane, text};
use relay_bundle::helm::values::ImportOptions;

/// The `--set` list of `README: 安装`, as `helm get values` prints it.
const INSTALL: &str = "USER-SUPPLIED VALUES:
config:
  adminPassword: secure-password
  adminUsername: admin
  encryptionKey: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=
  jwtSecret: 3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=
";

const EXTERNAL_REDIS_SET: &str = "USER-SUPPLIED VALUES:
externalRedis:
  database: 0
  host: redis.example.com
  password: redis-password
  port: 6379
  tls: true
redis:
  enabled: false
";

const INGRESS_SET: &str = "ingress:
  className: nginx
  enabled: true
  hosts:
  - host: claude-relay.example.com
    paths:
    - path: /
      pathType: Prefix
  tls:
  - hosts:
    - claude-relay.example.com
    secretName: claude-relay-tls
";

const MONITOR_SET: &str = "serviceMonitor:
  enabled: true
  interval: 30s
  labels:
    release: prometheus
  namespace: monitoring
  scrapeTimeout: 10s
";

const CONFIG: &str = r#"config:
  nodeEnv: production
  port: 3000
  host: "0.0.0.0"
  jwtSecret: ""          # 为获得可重复的密钥，建议显式设置
  encryptionKey: ""      # 为获得可重复的密钥，建议显式设置
  adminSessionTimeout: 86400000
  apiKeyPrefix: "cr_"
  adminUsername: ""
  adminPassword: ""
  logLevel: "info"
  logMaxSize: "10m"
  logMaxFiles: 5
  cleanupInterval: 3600000
  rateLimitCleanupInterval: 5
  tokenUsageRetention: 2592000000
  healthCheckInterval: 60000
  timezoneOffset: 8
  defaultTokenLimit: 1000000
"#;

const INTERNAL_REDIS: &str = r#"redis:
  enabled: true
  auth:
    enabled: false
    password: ""
  persistence:
    enabled: true
    size: 1Gi
  resources:
    limits:
      cpu: 250m
      memory: 256Mi
    requests:
      cpu: 100m
      memory: 128Mi
"#;

const EXTERNAL_REDIS: &str = r#"redis:
  enabled: false

externalRedis:
  host: "redis.example.com"
  port: 6379
  password: "redis-password"
  database: 0
  tls: false
"#;

const INGRESS: &str = r#"ingress:
  enabled: true
  className: "nginx"
  annotations: {}
  hosts:
    - host: claude-relay.example.com
      paths:
        - path: /
          pathType: Prefix
  tls:
    - secretName: claude-relay-tls
      hosts:
        - claude-relay.example.com
"#;

pub(super) const MONITOR: &str = r#"serviceMonitor:
  enabled: true
  namespace: "monitoring"
  labels: {}
  annotations: {}
  interval: 30s
  path: /prometheus
  port: http
  scrapeTimeout: 10s
  relabelings: []
  metricRelabelings: []
  namespaceSelector: {}
"#;

const STORAGE: &str = r#"storage:
  data:
    # 默认：emptyDir（/app/data 不持久化）
    type: emptyDir
    external:
      enabled: false
      # storageClass: ""
  logs:
    mode: fluentbit
    fluentbit:
      enabled: true
      image:
        repository: fluent/fluent-bit
        tag: "2.2.0"
        pullPolicy: IfNotPresent
      resources:
        limits:
          cpu: 100m
          memory: 128Mi
        requests:
          cpu: 50m
          memory: 64Mi
      output:
        type: stdout
        config: {}
    # 仅在 mode=pvc 时生效
    persistence:
      enabled: false
      storageClass: ""
      accessMode: ReadWriteOnce
      size: 10Gi
"#;

const PRODUCTION: &str = "USER-SUPPLIED VALUES:
autoscaling:
  enabled: true
  maxReplicas: 20
  minReplicas: 3
config:
  adminPassword: secure-password
  adminUsername: admin
  encryptionKey: your-encryption-key
  jwtSecret: your-jwt-secret
externalRedis:
  host: redis.production.com
  password: redis-password
  tls: true
ingress:
  enabled: true
  hosts:
  - host: claude-relay.production.com
redis:
  enabled: false
serviceMonitor:
  enabled: true
";

const LOKI: &str = r#"storage:
  logs:
    mode: fluentbit
    fluentbit:
      output:
        type: loki
        config:
          Host: "loki.monitoring.svc.cluster.local"
          Port: 3100
          URI: "/loki/api/v1/push"
          Labels: "job=claude-relay,environment=production"
"#;

const PVC_LOGS: &str =
    "storage:\n  logs:\n    mode: pvc\n    persistence:\n      enabled: true\n      size: 50Gi\n";

const EXTERNAL_DATA: &str = "storage:
  data:
    type: emptyDir
    external:
      enabled: true
      size: 5Gi
      accessMode: ReadWriteOnce
";

/// The examples of the chart's README, under its headings.
pub(super) const README: [(&str, &str); 14] = [
    ("基础安装 (--set)", INSTALL),
    ("使用外部 Redis (--set)", EXTERNAL_REDIS_SET),
    ("启用 Ingress (--set)", INGRESS_SET),
    ("启用 ServiceMonitor (--set)", MONITOR_SET),
    ("应用配置", CONFIG),
    ("内部 Redis", INTERNAL_REDIS),
    ("外部 Redis", EXTERNAL_REDIS),
    ("Ingress 配置", INGRESS),
    ("监控配置", MONITOR),
    ("存储与日志配置", STORAGE),
    ("生产环境部署 (--set)", PRODUCTION),
    ("Fluent Bit 输出到 Loki", LOKI),
    ("持久化日志存储", PVC_LOGS),
    ("外部数据 PVC", EXTERNAL_DATA),
];

#[test]
fn every_chart_readme_example_becomes_loadable_profile() {
    for (title, values) in README {
        for name in ["claude-relay", "my-claude-relay", "prod"] {
            let (profile, imported) = sane(values, &release(name));
            assert_eq!(text(&profile, "release.name"), name, "{title}");
            assert!(
                imported.notes.iter().all(|note| !note.why.is_empty() && !note.what.is_empty()),
                "{title}"
            );
            for secret in ["secure-password", "redis-password\"", "your-", "q83v", "3q2+"] {
                let text = format!("{}{:?}", imported.toml, imported.notes)
                    .replace("key = \"redis-password\"", "");
                assert!(!text.contains(secret), "{title}: {secret} in\n{text}");
            }
        }
    }
}

#[test]
fn example_imported_as_json_gives_same_profile() {
    for (title, values) in README {
        let yaml = values.strip_prefix("USER-SUPPLIED VALUES:\n").unwrap_or(values);
        let json: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
        let from_yaml: toml::Table = convert(values, &release("x")).toml.parse().unwrap();
        let from_json: toml::Table =
            convert(&json.to_string(), &release("x")).toml.parse().unwrap();
        assert_eq!(from_yaml, from_json, "{title}");
    }
}

#[test]
fn production_example_reads_as_if_written_by_hand() {
    let options = ImportOptions {
        namespace: Some("relay".parse().unwrap()),
        kubernetes: Some("1.29".to_owned().try_into().unwrap()),
        ..release("claude-relay")
    };
    let (_, imported) = sane(PRODUCTION, &options);
    assert_eq!(
        imported.toml,
        r#"#:schema ../schema/profile.schema.json
# Written by `relay-bundle import helm` from the values of the Helm release `claude-relay`.

[release]
name = "claude-relay"
namespace = "relay"

[kubernetes]
version = "1.29"

[autoscaling]
enabled = true
maxReplicas = 20
minReplicas = 3

[config]
adminPassword = { existing = { name = "claude-relay-secret", key = "admin-password" } }
adminUsername = "admin"
encryptionKey = { existing = { name = "claude-relay-secret", key = "encryption-key" } }
jwtSecret = { existing = { name = "claude-relay-secret", key = "jwt-secret" } }

[externalRedis]
host = "redis.production.com"
password = { existing = { name = "claude-relay-secret", key = "redis-password" } }
tls = true

[ingress]
enabled = true
hosts = [{ host = "claude-relay.production.com" }]

[redis]
enabled = false

[serviceMonitor]
enabled = true
"#
    );
    let notes: Vec<String> =
        imported.notes.iter().map(|note| format!("{}: {}", note.key, note.what)).collect();
    assert_eq!(
        notes,
        [
            "config.requestMaxSizeMb: not set",
            "config.adminPassword: is now a reference",
            "config.encryptionKey: is now a reference",
            "config.jwtSecret: is now a reference",
            "externalRedis.password: is now a reference",
            "ingress.hosts[0].paths: not set",
            "image.tag: not set",
            "resources.limits.memory: not set",
        ]
    );
}

#[test]
fn same_values_give_same_profile() {
    let profiles: BTreeSet<String> =
        (0..3).map(|_| convert(STORAGE, &release("prod")).toml).collect();
    assert_eq!(profiles.len(), 1);
}
