//! The fields of objects that a key sets. A test compares the table with the schema.

use crate::profile::variables::{SECRET_VARIABLES, VARIABLES};

/// The fields that keys set, in addition to variables.
///
/// A key without a line here or in the tables of variables has the fields of its table.
pub(super) const FIELDS: &[(&str, &[&str])] = &[
    ("affinity", &["Deployment spec.template.spec.affinity"]),
    ("autoscaling", &["HorizontalPodAutoscaler <fullname>"]),
    (
        "autoscaling.enabled",
        &["HorizontalPodAutoscaler <fullname>", "Deployment spec.replicas (absent when true)"],
    ),
    ("autoscaling.maxReplicas", &["HorizontalPodAutoscaler spec.maxReplicas"]),
    ("autoscaling.minReplicas", &["HorizontalPodAutoscaler spec.minReplicas"]),
    (
        "autoscaling.targetCPUUtilizationPercentage",
        &["HorizontalPodAutoscaler spec.metrics[]: cpu"],
    ),
    (
        "autoscaling.targetMemoryUtilizationPercentage",
        &["HorizontalPodAutoscaler spec.metrics[]: memory"],
    ),
    ("config", &["ConfigMap <fullname>-config-<hash>"]),
    ("config.host", &["ConfigMap <fullname>-fluent-bit-<hash>: http_listen"]),
    ("config.logMaxFiles", &["Deployment spec.template.spec.volumes[logs].emptyDir.sizeLimit"]),
    ("config.logMaxSize", &["Deployment spec.template.spec.volumes[logs].emptyDir.sizeLimit"]),
    ("config.port", &["Deployment container claude-relay: ports[http].containerPort"]),
    ("config.rateLimitCleanupInterval", &["nothing: the relay does not read this variable"]),
    ("config.requestMaxSizeMb", &["Ingress metadata.annotations (the preset's limit of a body)"]),
    (
        "config.timezoneOffset",
        &["ConfigMap <fullname>-fluent-bit-<hash>: time_offset of the parser"],
    ),
    ("extends", &["nothing itself: the profiles named are laid below this one"]),
    (
        "externalRedis",
        &["ConfigMap <fullname>-config-<hash>", "Deployment container claude-relay: env"],
    ),
    ("extraContainers", &["Deployment spec.template.spec.containers"]),
    ("extraEnv", &["Deployment container claude-relay: env"]),
    ("extraVolumeMounts", &["Deployment container claude-relay: volumeMounts"]),
    ("extraVolumes", &["Deployment spec.template.spec.volumes"]),
    ("fullnameOverride", &["metadata.name of every object but Redis's"]),
    ("gateway", &["HTTPRoute <fullname>"]),
    ("gateway.annotations", &["HTTPRoute metadata.annotations"]),
    ("gateway.hostnames", &["HTTPRoute spec.hostnames"]),
    ("gateway.parentRefs", &["HTTPRoute spec.parentRefs"]),
    ("image", &["Deployment containers claude-relay and prepare: image"]),
    ("image.pullPolicy", &["Deployment containers claude-relay and prepare: imagePullPolicy"]),
    (
        "imagePullSecrets",
        &["spec.template.spec.imagePullSecrets of the Deployment and the StatefulSet"],
    ),
    ("images", &["image of every container"]),
    ("images.pullPolicy", &["imagePullPolicy of every container"]),
    ("ingress", &["Ingress <fullname>"]),
    ("ingress.annotations", &["Ingress metadata.annotations"]),
    ("ingress.blockedPaths", &["Ingress spec.rules[].http.paths[]", "Service <fullname>-blocked"]),
    ("ingress.className", &["Ingress spec.ingressClassName"]),
    ("ingress.hosts", &["Ingress spec.rules[]"]),
    ("ingress.hosts[].host", &["Ingress spec.rules[].host"]),
    ("ingress.hosts[].paths", &["Ingress spec.rules[].http.paths[]"]),
    ("ingress.presets", &["Ingress metadata.annotations"]),
    ("ingress.routes", &["Ingress spec.rules[].http.paths[]", "HTTPRoute spec.rules[].matches[]"]),
    ("ingress.tls", &["Ingress spec.tls[]"]),
    ("initContainers", &["Deployment spec.template.spec.initContainers"]),
    (
        "kubernetes.version",
        &["apiVersion of HorizontalPodAutoscaler and PodDisruptionBudget, and newer fields"],
    ),
    (
        "kubernetes",
        &["apiVersion of HorizontalPodAutoscaler and PodDisruptionBudget, and newer fields"],
    ),
    (
        "nameOverride",
        &["metadata.name of every object", "label app.kubernetes.io/name and the selectors"],
    ),
    ("networkPolicy", &["NetworkPolicies of the relay and of Redis"]),
    ("networkPolicy.dns", &["NetworkPolicy spec.egress[]: port 53"]),
    ("networkPolicy.egressTo", &["NetworkPolicy of the relay: spec.egress[]"]),
    ("networkPolicy.ingressFrom", &["NetworkPolicy of the relay: spec.ingress[].from"]),
    ("nodeSelector", &["Deployment spec.template.spec.nodeSelector"]),
    ("podAnnotations", &["Deployment spec.template.metadata.annotations"]),
    ("podDisruptionBudget", &["PodDisruptionBudget <fullname>"]),
    ("podDisruptionBudget.maxUnavailable", &["PodDisruptionBudget spec.maxUnavailable"]),
    ("podDisruptionBudget.minAvailable", &["PodDisruptionBudget spec.minAvailable"]),
    ("podLabels", &["Deployment spec.template.metadata.labels"]),
    ("podSecurityContext", &["Deployment spec.template.spec.securityContext"]),
    (
        "priorityClassName",
        &["spec.template.spec.priorityClassName of the Deployment and the StatefulSet"],
    ),
    ("redis", &["StatefulSet <redis>", "Services <redis> and <redis>-headless"]),
    ("redis.affinity", &["StatefulSet spec.template.spec.affinity"]),
    ("redis.auth", &["Deployment and StatefulSet: env REDIS_PASSWORD"]),
    ("redis.enabled", &["StatefulSet <redis>", "Services <redis> and <redis>-headless"]),
    ("redis.image", &["StatefulSet container redis: image"]),
    ("redis.image.pullPolicy", &["StatefulSet container redis: imagePullPolicy"]),
    ("redis.nodeSelector", &["StatefulSet spec.template.spec.nodeSelector"]),
    ("redis.persistence", &["PersistentVolumeClaim <redis>-data"]),
    ("redis.persistence.accessMode", &["PersistentVolumeClaim <redis>-data: spec.accessModes"]),
    (
        "redis.persistence.enabled",
        &["PersistentVolumeClaim <redis>-data", "StatefulSet volume data"],
    ),
    (
        "redis.persistence.existingClaim",
        &["StatefulSet volume data: persistentVolumeClaim.claimName"],
    ),
    (
        "redis.persistence.size",
        &["PersistentVolumeClaim <redis>-data: spec.resources.requests.storage"],
    ),
    (
        "redis.persistence.storageClass",
        &["PersistentVolumeClaim <redis>-data: spec.storageClassName"],
    ),
    (
        "redis.resources",
        &["StatefulSet container redis: resources", "ConfigMap <redis>-config-<hash>: maxmemory"],
    ),
    (
        "redis.service",
        &[
            "Services <redis> and <redis>-headless: spec.ports",
            "StatefulSet container redis: ports",
        ],
    ),
    (
        "redis.service.port",
        &[
            "Services <redis> and <redis>-headless: spec.ports",
            "ConfigMap <redis>-config-<hash>: port",
        ],
    ),
    ("redis.tolerations", &["StatefulSet spec.template.spec.tolerations"]),
    ("release", &["metadata of every object"]),
    (
        "release.appVersion",
        &[
            "Deployment containers claude-relay and prepare: image",
            "label app.kubernetes.io/version",
        ],
    ),
    ("release.createNamespace", &["Namespace <namespace>"]),
    ("release.environment", &["no field: what may be built, and who may sign it"]),
    (
        "release.name",
        &["metadata.name of every object", "label app.kubernetes.io/instance and the selectors"],
    ),
    ("release.namespace", &["metadata.namespace of every object"]),
    ("release.recoveryRecipients", &["no field: who can decrypt the copy of what apply generates"]),
    ("release.sealRecipients", &["no field: for whom `secrets encrypt` seals"]),
    ("replicaCount", &["Deployment spec.replicas"]),
    (
        "resources",
        &[
            "Deployment container claude-relay: resources",
            "ConfigMap <fullname>-config-<hash>: NODE_OPTIONS",
        ],
    ),
    ("schema", &["no field: how the profile is read"]),
    ("securityContext", &["Deployment containers claude-relay and prepare: securityContext"]),
    ("service", &["Service <fullname>"]),
    ("service.annotations", &["Service metadata.annotations"]),
    ("service.loadBalancerIP", &["Service spec.loadBalancerIP"]),
    ("service.loadBalancerSourceRanges", &["Service spec.loadBalancerSourceRanges"]),
    ("service.nodePort", &["Service spec.ports[http].nodePort"]),
    ("service.port", &["Service spec.ports[http].port", "Ingress backends"]),
    ("service.type", &["Service spec.type"]),
    ("serviceAccount", &["ServiceAccount <fullname>"]),
    ("serviceAccount.annotations", &["ServiceAccount metadata.annotations"]),
    (
        "serviceAccount.name",
        &["ServiceAccount metadata.name", "Deployment spec.template.spec.serviceAccountName"],
    ),
    ("serviceMonitor", &["ServiceMonitor <fullname>"]),
    ("serviceMonitor.annotations", &["ServiceMonitor metadata.annotations"]),
    (
        "serviceMonitor.enabled",
        &[
            "ServiceMonitor <fullname>",
            "Service <fullname>-metrics",
            "Deployment: the exporter's container",
        ],
    ),
    (
        "serviceMonitor.exporter",
        &["Deployment: the exporter's container", "Service <fullname>-metrics"],
    ),
    ("serviceMonitor.exporter.image", &["Deployment: image of the exporter's container"]),
    (
        "serviceMonitor.exporter.port",
        &[
            "Deployment: ports of the exporter's container",
            "Service <fullname>-metrics: spec.ports",
        ],
    ),
    ("serviceMonitor.exporter.resources", &["Deployment: resources of the exporter's container"]),
    ("serviceMonitor.interval", &["ServiceMonitor spec.endpoints[].interval"]),
    ("serviceMonitor.labels", &["ServiceMonitor metadata.labels"]),
    ("serviceMonitor.metricRelabelings", &["ServiceMonitor spec.endpoints[].metricRelabelings"]),
    ("serviceMonitor.namespace", &["ServiceMonitor metadata.namespace"]),
    ("serviceMonitor.namespaceSelector", &["ServiceMonitor spec.namespaceSelector"]),
    ("serviceMonitor.path", &["ServiceMonitor spec.endpoints[].params.target"]),
    ("serviceMonitor.port", &["ServiceMonitor spec.endpoints[].params.target"]),
    ("serviceMonitor.relabelings", &["ServiceMonitor spec.endpoints[].relabelings"]),
    ("serviceMonitor.scrapeTimeout", &["ServiceMonitor spec.endpoints[].scrapeTimeout"]),
    ("storage", &["Deployment spec.template.spec.volumes"]),
    ("storage.data", &["Deployment spec.template.spec.volumes[data]"]),
    (
        "storage.data.external",
        &["PersistentVolumeClaim <fullname>-external-data", "Deployment volume external-data"],
    ),
    (
        "storage.data.external.accessMode",
        &[
            "PersistentVolumeClaim <fullname>-external-data: spec.accessModes",
            "Deployment spec.strategy",
        ],
    ),
    (
        "storage.data.external.size",
        &["PersistentVolumeClaim <fullname>-external-data: spec.resources.requests.storage"],
    ),
    (
        "storage.data.external.storageClass",
        &["PersistentVolumeClaim <fullname>-external-data: spec.storageClassName"],
    ),
    ("storage.data.sizeLimit", &["Deployment spec.template.spec.volumes[data].emptyDir.sizeLimit"]),
    ("storage.logs", &["Deployment spec.template.spec.volumes[logs]"]),
    (
        "storage.logs.fluentbit",
        &["Deployment container fluent-bit", "ConfigMap <fullname>-fluent-bit-<hash>"],
    ),
    (
        "storage.logs.fluentbit.extraFields",
        &["ConfigMap <fullname>-fluent-bit-<hash>: pipeline.filters"],
    ),
    ("storage.logs.fluentbit.image", &["Deployment container fluent-bit: image"]),
    (
        "storage.logs.fluentbit.image.pullPolicy",
        &["Deployment container fluent-bit: imagePullPolicy"],
    ),
    (
        "storage.logs.fluentbit.output",
        &[
            "ConfigMap <fullname>-fluent-bit-<hash>: pipeline.outputs",
            "Deployment container fluent-bit: env (credentials)",
        ],
    ),
    ("storage.logs.fluentbit.resources", &["Deployment container fluent-bit: resources"]),
    (
        "storage.logs.mode",
        &[
            "Deployment spec.template.spec.volumes[logs]",
            "Deployment container fluent-bit",
            "PersistentVolumeClaim <fullname>-logs",
        ],
    ),
    ("storage.logs.persistence", &["PersistentVolumeClaim <fullname>-logs"]),
    (
        "storage.logs.persistence.accessMode",
        &["PersistentVolumeClaim <fullname>-logs: spec.accessModes", "Deployment spec.strategy"],
    ),
    (
        "storage.logs.persistence.size",
        &["PersistentVolumeClaim <fullname>-logs: spec.resources.requests.storage"],
    ),
    (
        "storage.logs.persistence.storageClass",
        &["PersistentVolumeClaim <fullname>-logs: spec.storageClassName"],
    ),
    ("strategy", &["Deployment spec.strategy"]),
    ("tolerations", &["Deployment spec.template.spec.tolerations"]),
    ("topologySpreadConstraints", &["Deployment spec.template.spec.topologySpreadConstraints"]),
];

/// Returns every key that one of the tables names.
pub fn named_keys() -> impl Iterator<Item = &'static str> {
    let variables = VARIABLES.iter().map(|(key, _)| *key);
    let secrets = SECRET_VARIABLES.iter().map(|(key, ..)| *key);
    FIELDS.iter().map(|(key, _)| *key).chain(variables).chain(secrets)
}

/// Returns the environment variable of the relay that a key sets.
pub fn variable(key: &str) -> Option<&'static str> {
    let plain = VARIABLES.iter().find(|(known, _)| *known == key).map(|(_, variable)| *variable);
    plain.or_else(|| {
        SECRET_VARIABLES.iter().find(|(known, ..)| *known == key).map(|(_, variable, _)| *variable)
    })
}

/// Returns the fields that a key sets, or else those of the nearest table around it.
pub fn fields(key: &str) -> Vec<String> {
    let own = own_fields(key);
    match key.rsplit_once('.') {
        Some((parent, _)) if own.is_empty() => {
            let parent = parent.strip_suffix("[]").unwrap_or(parent);
            fields(parent)
        }
        _ => own,
    }
}

fn own_fields(key: &str) -> Vec<String> {
    let plain = VARIABLES.iter().filter(|(known, _)| *known == key);
    let plain =
        plain.map(|(_, variable)| format!("ConfigMap <fullname>-config-<hash>: {variable}"));
    let secret = SECRET_VARIABLES.iter().filter(|(known, ..)| *known == key);
    let secret = secret
        .map(|(_, variable, container)| format!("env {variable} of {container} (from a Secret)"));
    let other = FIELDS.iter().filter(|(known, _)| *known == key).flat_map(|(_, fields)| *fields);
    plain.chain(secret).chain(other.map(|field| (*field).to_owned())).collect()
}
