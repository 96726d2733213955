//! Checks for fields that older servers do not know, and would drop silently or reject.

use crate::model::kube_version::KubeVersion;
use crate::profile::decode::FRAGMENTS;
use crate::profile::defaults::DEFAULT_SOURCE;
use crate::profile::node::{Node, Path, PathChain, Value};
use crate::profile::settings::Settings;

use super::Report;

/// No known version enables the field by default.
const NEVER: u8 = u8::MAX;

/// The start and the end of a field's path (without indices), and the first minor version of
/// Kubernetes 1 that supports the field without a feature gate.
const FIELDS: [(&str, &str, u8); 38] = [
    ("affinity.podAffinity", ".namespaceSelector", 22),
    ("affinity.podAntiAffinity", ".namespaceSelector", 22),
    ("affinity", ".matchLabelKeys", 31),
    ("affinity", ".mismatchLabelKeys", 31),
    ("redis.affinity.podAffinity", ".namespaceSelector", 22),
    ("redis.affinity.podAntiAffinity", ".namespaceSelector", 22),
    ("redis.affinity", ".matchLabelKeys", 31),
    ("redis.affinity", ".mismatchLabelKeys", 31),
    ("topologySpreadConstraints", "minDomains", 27),
    ("topologySpreadConstraints", "nodeAffinityPolicy", 26),
    ("topologySpreadConstraints", "nodeTaintsPolicy", 26),
    ("topologySpreadConstraints", "matchLabelKeys", 27),
    ("networkPolicy", "ports.endPort", 22),
    // Kubernetes sets this label on namespaces only since 1.21; on older servers a selector on it
    // matches none.
    ("networkPolicy.egressTo", "matchLabels.kubernetes.io/metadata.name", 21),
    ("networkPolicy.ingressFrom", "matchLabels.kubernetes.io/metadata.name", 21),
    ("initContainers", "initContainers.restartPolicy", 29),
    ("", "Containers.restartPolicyRules", 35),
    ("", "Containers.resizePolicy", 33),
    ("", "Probe.grpc", 24),
    ("", "Probe.grpc.mode", NEVER),
    ("", "httpGet.protocol", NEVER),
    ("", "Probe.terminationGracePeriodSeconds", 25),
    ("", "lifecycle.preStop.sleep", 30),
    ("", "lifecycle.postStart.sleep", 30),
    ("", "valueFrom.fileKeyRef", 35),
    ("", "ecurityContext.appArmorProfile", 30),
    ("podSecurityContext", "supplementalGroupsPolicy", 33),
    ("podSecurityContext", "seLinuxChangePolicy", 33),
    ("podSecurityContext", "fsGroupChangePolicy", 20),
    ("", "olumeMounts.recursiveReadOnly", 31),
    ("", "olumeMounts.bindMountOptions", NEVER),
    ("extraVolumes", "extraVolumes.ephemeral", 21),
    ("extraVolumes", "extraVolumes.image", 35),
    ("extraVolumes", "emptyDir.mode", NEVER),
    ("extraVolumes", "defaultUser", NEVER),
    ("extraVolumes", "items.user", NEVER),
    ("extraVolumes", "projected.sources.clusterTrustBundle", NEVER),
    ("extraVolumes", "projected.sources.podCertificate", NEVER),
];

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let oldest = settings.kubernetes.version;
    let mut found = Vec::new();
    for fragment in FRAGMENTS {
        let path = Path::of(fragment);
        if let Some(node) = report.tree.get(&path) {
            walk(node, &mut fragment.to_owned(), PathChain::From(&path), &mut found);
        }
    }
    for (path, since) in found {
        if since == NEVER {
            let message = format!(
                "no Kubernetes version up to {} enables this field by default",
                KubeVersion::NEWEST
            );
            report.error("RB0170", path, message, "remove it");
        } else if !oldest.at_least(since) {
            let message = format!(
                "Kubernetes has this field since 1.{since}, but the bundle is for {oldest} and \
                 newer"
            );
            let help = format!("remove it, or set `kubernetes.version = \"1.{since}\"`");
            report.error("RB0170", path, message, help);
        }
    }
}

/// Collects the fields with a minimum version; `names` holds the keys of the path, and is unchanged
/// on return.
fn walk(node: &Node, names: &mut String, way: PathChain<'_>, found: &mut Vec<(Path, u8)>) {
    match &node.value {
        Value::Table(table) => {
            let length = names.len();
            for (key, entry) in
                table.iter().filter(|(_, entry)| entry.node.origin.source != DEFAULT_SOURCE)
            {
                names.extend([".", key]);
                let way = PathChain::Key(&way, key);
                if let Some(since) = since(names) {
                    found.push((way.path(), since));
                }
                walk(&entry.node, names, way, found);
                names.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, names, PathChain::Index(&way, index), found);
            }
        }
        _ => {}
    }
}

fn since(names: &str) -> Option<u8> {
    // Comparing the end first rules out nearly all fields.
    let known =
        |(start, end, _): &&(&str, &str, u8)| names.ends_with(end) && names.starts_with(start);
    FIELDS.iter().find(known).map(|(.., minor)| *minor)
}
