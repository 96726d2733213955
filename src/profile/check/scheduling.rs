//! Checks tolerations, affinity, topology spread and priority.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelectorTerm, PodAffinity, PodAffinityTerm, PodAntiAffinity,
    Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm,
};

use crate::model::text::{is_dns_label, is_label_value, is_qualified_name};
use crate::profile::node::Path;
use crate::profile::settings::Settings;

use super::Report;
use super::labels::{NODE_OPERATORS, requirement, selector};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    tolerations("tolerations", &settings.tolerations, report);
    tolerations("redis.tolerations", &settings.redis.tolerations, report);
    for (path, affinity) in
        [("affinity", &settings.affinity), ("redis.affinity", &settings.redis.affinity)]
    {
        if let Some(affinity) = affinity {
            check_affinity(&Path::of(path), affinity, report);
        }
    }
    spread(&settings.topology_spread_constraints, report);
    if settings.priority_class_name.as_str().starts_with("system-") {
        let message = "classes that start with `system-` are for the cluster's own pods";
        report.warning(
            "RB0124",
            "priorityClassName",
            message,
            "create your own PriorityClass and use it here",
        );
    }
}

fn tolerations(path: &str, tolerations: &[Toleration], report: &mut Report<'_>) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = Path::of(path).index(index);
        for (key, message, help) in toleration_problems(toleration) {
            report.error("RB0120", path.key(key), message, help);
        }
    }
}

fn toleration_problems(toleration: &Toleration) -> Vec<(&'static str, &'static str, &'static str)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (key, value, operator) =
        (text(&toleration.key), text(&toleration.value), text(&toleration.operator));
    let effect = text(&toleration.effect);
    let known = ["", "Equal", "Exists"].contains(&operator.as_str());

    let rules = [
        (!known, "operator", "unknown operator", "use `Equal` or `Exists`"),
        (
            operator == "Exists" && !value.is_empty(),
            "value",
            "the operator `Exists` takes no value",
            "remove `value`, or use the operator `Equal`",
        ),
        (
            known && operator != "Exists" && key.is_empty(),
            "key",
            "without a key only `Exists` makes sense",
            "set the taint's `key`, or set `operator = \"Exists\"` to tolerate every taint",
        ),
        (
            !key.is_empty() && !is_qualified_name(&key),
            "key",
            "invalid taint key",
            "write `name` or `prefix.example/name`",
        ),
        (
            !is_label_value(&value),
            "value",
            "invalid taint value",
            "write at most 63 letters, digits, `-`, `_` and `.`",
        ),
        (
            !["", "NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect.as_str()),
            "effect",
            "unknown effect",
            "use `NoSchedule`, `PreferNoSchedule` or `NoExecute`, or omit it for all",
        ),
        (
            toleration.toleration_seconds.is_some() && effect != "NoExecute",
            "tolerationSeconds",
            "only the effect `NoExecute` has a time",
            "set `effect = \"NoExecute\"`, or remove `tolerationSeconds`",
        ),
    ];

    rules
        .into_iter()
        .filter(|(broken, ..)| *broken)
        .map(|(_, key, message, help)| (key, message, help))
        .collect()
}

fn check_affinity(path: &Path, affinity: &Affinity, report: &mut Report<'_>) {
    if let Some(node) = &affinity.node_affinity {
        check_node_affinity(&path.key("nodeAffinity"), node, report);
    }
    if let Some(PodAffinity {
        preferred_during_scheduling_ignored_during_execution: preferred,
        required_during_scheduling_ignored_during_execution: required,
    }) = &affinity.pod_affinity
    {
        let (required, preferred) = (required.iter().flatten(), preferred.iter().flatten());
        pod_terms(&path.key("podAffinity"), required, preferred, report);
    }
    if let Some(PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: preferred,
        required_during_scheduling_ignored_during_execution: required,
    }) = &affinity.pod_anti_affinity
    {
        let (required, preferred) = (required.iter().flatten(), preferred.iter().flatten());
        pod_terms(&path.key("podAntiAffinity"), required, preferred, report);
    }
}

fn check_node_affinity(path: &Path, affinity: &NodeAffinity, report: &mut Report<'_>) {
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        let path = path.key(REQUIRED).key("nodeSelectorTerms");
        if required.node_selector_terms.is_empty() {
            report.error(
                "RB0122",
                &path,
                "the list of terms is empty: no node matches",
                "add a term, or remove the key",
            );
        }
        for (index, term) in required.node_selector_terms.iter().enumerate() {
            node_term(&path.index(index), term, report);
        }
    }
    let preferred = affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten();
    for (index, preferred) in preferred.enumerate() {
        let path = path.key(PREFERRED).index(index);
        weight(&path, preferred.weight, report);
        node_term(&path.key("preference"), &preferred.preference, report);
    }
}

fn node_term(path: &Path, term: &NodeSelectorTerm, report: &mut Report<'_>) {
    let (labels, fields) =
        (term.match_expressions.iter().flatten(), term.match_fields.iter().flatten());
    if labels.clone().count() + fields.clone().count() == 0 {
        report.error(
            "RB0122",
            path,
            "an empty term matches no node",
            "add `matchExpressions`, or remove the term",
        );
    }

    for (index, wanted) in labels.enumerate() {
        let path = path.key("matchExpressions").index(index);
        let values = wanted.values.as_deref().unwrap_or_default();
        requirement(&path, &wanted.key, &wanted.operator, values, &NODE_OPERATORS, report);
    }
    for (index, wanted) in fields.enumerate() {
        let one = wanted.values.as_ref().is_some_and(|values| values.len() == 1);
        if wanted.key != "metadata.name"
            || !["In", "NotIn"].contains(&wanted.operator.as_str())
            || !one
        {
            let path = path.key("matchFields").index(index);
            let help =
                "write `key = \"metadata.name\"`, the operator `In` or `NotIn` and one value";
            report.error(
                "RB0122",
                path,
                "`metadata.name` is the only field of nodes that can be selected",
                help,
            );
        }
    }
}

fn weight(path: &Path, weight: i32, report: &mut Report<'_>) {
    if !(1..=100).contains(&weight) {
        report.error(
            "RB0122",
            path.key("weight"),
            format!("{weight} is not a weight"),
            "write 1 to 100",
        );
    }
}

fn pod_terms<'t>(
    path: &Path,
    required: impl Iterator<Item = &'t PodAffinityTerm>,
    preferred: impl Iterator<Item = &'t WeightedPodAffinityTerm>,
    report: &mut Report<'_>,
) {
    for (index, term) in required.enumerate() {
        pod_term(&path.key(REQUIRED).index(index), term, report);
    }
    for (index, preferred) in preferred.enumerate() {
        let path = path.key(PREFERRED).index(index);
        weight(&path, preferred.weight, report);
        pod_term(&path.key("podAffinityTerm"), &preferred.pod_affinity_term, report);
    }
}

fn pod_term(path: &Path, term: &PodAffinityTerm, report: &mut Report<'_>) {
    topology_key("RB0122", path, &term.topology_key, report);
    if let Some(labels) = &term.label_selector {
        selector(&path.key("labelSelector"), labels, report);
    } else {
        let help =
            "add `labelSelector.matchLabels`, such as the `app.kubernetes.io/name` of the relay";
        report.error("RB0122", path, "without a label selector the term matches no pod", help);
    }
    if let Some(namespaces) = &term.namespace_selector {
        selector(&path.key("namespaceSelector"), namespaces, report);
    }
    for (index, namespace) in term.namespaces.iter().flatten().enumerate() {
        if !is_dns_label(namespace) {
            let path = path.key("namespaces").index(index);
            let help = "write lowercase letters, digits and `-`";
            report.error("RB0105", path, "invalid namespace", help);
        }
    }
}

fn topology_key(code: &'static str, path: &Path, key: &str, report: &mut Report<'_>) {
    if !is_qualified_name(key) {
        let help = "write a label of nodes, such as `topology.kubernetes.io/zone` or `kubernetes.io/hostname`";
        report.error(code, path.key("topologyKey"), "invalid label key", help);
    }
}

fn spread(constraints: &[TopologySpreadConstraint], report: &mut Report<'_>) {
    let mut pairs = BTreeSet::new();
    for (index, constraint) in constraints.iter().enumerate() {
        let path = Path::of("topologySpreadConstraints").index(index);
        topology_key("RB0123", &path, &constraint.topology_key, report);
        for (key, message, help) in spread_problems(constraint) {
            report.error("RB0123", path.key(key), message, help);
        }
        if let Some(labels) = &constraint.label_selector {
            selector(&path.key("labelSelector"), labels, report);
        }
        if !pairs.insert((&constraint.topology_key, &constraint.when_unsatisfiable)) {
            let message =
                "an earlier constraint has the same `topologyKey` and `whenUnsatisfiable`";
            report.error("RB0123", &path, message, "keep one of the two");
        }
    }
}

fn spread_problems(
    constraint: &TopologySpreadConstraint,
) -> Vec<(&'static str, &'static str, &'static str)> {
    let hard = constraint.when_unsatisfiable == "DoNotSchedule";
    let policy = |text: &Option<String>| {
        text.as_ref().is_some_and(|text| text != "Honor" && text != "Ignore")
    };
    let rules = [
        (constraint.max_skew < 1, "maxSkew", "the skew is less than 1", "write 1 or more"),
        (
            !hard && constraint.when_unsatisfiable != "ScheduleAnyway",
            "whenUnsatisfiable",
            "unknown value",
            "use `DoNotSchedule` or `ScheduleAnyway`",
        ),
        (
            constraint.min_domains.is_some_and(|domains| domains < 1),
            "minDomains",
            "the number of domains is less than 1",
            "write 1 or more",
        ),
        (
            constraint.min_domains.is_some() && !hard,
            "minDomains",
            "only `DoNotSchedule` counts domains",
            "set `whenUnsatisfiable = \"DoNotSchedule\"`, or remove `minDomains`",
        ),
        (
            policy(&constraint.node_affinity_policy),
            "nodeAffinityPolicy",
            "unknown policy",
            "use `Honor` or `Ignore`",
        ),
        (
            policy(&constraint.node_taints_policy),
            "nodeTaintsPolicy",
            "unknown policy",
            "use `Honor` or `Ignore`",
        ),
    ];

    rules
        .into_iter()
        .filter(|(broken, ..)| *broken)
        .map(|(_, key, message, help)| (key, message, help))
        .collect()
}
