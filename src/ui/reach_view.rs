//! Shows how a bundle reaches beyond its namespace, in one line per object and way.

use crate::bundle::reach::{Reach, Way};
use crate::model::printable::cut;

/// The longest part of a snippet that a line shows; `--json` has all of it.
const SNIPPET_CHARS_MAX: usize = 80;

/// Returns the lines; a single line if nothing reaches beyond the namespace.
///
/// The lines contain text of the bundle, which the caller must escape.
pub fn lines(reach: &[Reach]) -> Vec<String> {
    if reach.is_empty() {
        return vec!["nothing beyond its namespace".to_owned()];
    }
    let is_together = |a: &Reach, b: &Reach| {
        a.way != Way::Snippet
            && (&a.kind, &a.name, a.way, controller(a)) == (&b.kind, &b.name, b.way, controller(b))
    };
    reach.chunk_by(is_together).map(line).collect()
}

/// Returns the prefix of an annotation or label, which identifies its controller. Each controller
/// has its own line.
fn controller(reach: &Reach) -> Option<&str> {
    let prefix = reach.target.rsplit_once('/').map(|(prefix, _)| prefix);
    prefix.filter(|_| matches!(reach.way, Way::Annotation | Way::Label | Way::PodLabel))
}

/// Returns the line for one object and one way.
fn line(reach: &[Reach]) -> String {
    let Reach { kind, name, way, value, .. } = &reach[0];
    let targets: Vec<&str> = reach.iter().map(|reach| reach.target.as_str()).collect();
    let targets = match way {
        Way::Annotation | Way::Label | Way::PodLabel => by_prefix(&targets),
        _ => targets.join(", "),
    };
    match value {
        Some(value) if *way == Way::Snippet => {
            format!("{kind}/{name}: {} {targets} = {}", words(*way), shortened(value))
        }
        _ => format!("{kind}/{name}: {} {targets}", words(*way)),
    }
}

/// Returns sorted keys with each prefix once: `a.example/{b, c}, d`.
fn by_prefix(keys: &[&str]) -> String {
    let prefix = |key: &&str| key.rsplit_once('/').map(|(prefix, _)| prefix.to_owned());
    let groups = keys.chunk_by(|a, b| prefix(a).is_some() && prefix(a) == prefix(b));
    let groups = groups.map(|group| match (group, prefix(&group[0])) {
        ([_, _, ..], Some(prefix)) => {
            let names: Vec<&str> = group.iter().map(|key| &key[prefix.len() + 1..]).collect();
            format!("{prefix}/{{{}}}", names.join(", "))
        }
        _ => group.join(", "),
    });
    groups.collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> String {
    let start = cut(text, SNIPPET_CHARS_MAX);
    if start == text { start } else { format!("{start} (`--json` has all of it)") }
}

fn words(way: Way) -> &'static str {
    match way {
        Way::Namespace => "is in namespace",
        Way::Host => "takes requests for host",
        Way::TlsHost => "brings a certificate for host",
        Way::Gateway => "belongs to Gateway",
        Way::Snippet => "gives a controller the snippet",
        Way::Annotation => "has annotations",
        Way::Label => "has labels",
        Way::PodLabel => "has pod labels",
        Way::NodePort => "opens a port on every node:",
        Way::LoadBalancer => "asks the load balancer for address",
        Way::PriorityClass => "has system priority",
        Way::Eviction => "lets no pod be evicted when a node is drained:",
        Way::Resource => "takes devices or huge pages of nodes:",
        Way::Toleration => "tolerates taints",
        Way::Affinity => "is scheduled by the pods of namespace",
        Way::Token => "has a token or certificate for the API server in volume",
        Way::Driver => "mounts a volume with driver",
        Way::PersistentVolume => "claims PersistentVolume",
        Way::Monitoring => "has Prometheus look in namespaces",
        Way::Relabeling => "may lead Prometheus elsewhere by label",
        Way::Reference => "refers to namespace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(way: Way, target: &str, value: Option<&str>) -> Reach {
        let value = value.map(str::to_owned);
        Reach { kind: "Ingress".into(), name: "a".into(), way, target: target.into(), value }
    }

    #[test]
    fn targets_of_one_object_share_line_but_snippets_do_not() {
        let all = [
            reach(Way::Annotation, "a", Some("1")),
            reach(Way::Annotation, "b", Some("1")),
            reach(Way::Annotation, "x.example/a", Some("1")),
            reach(Way::Annotation, "x.example/b", Some("2")),
            reach(Way::Annotation, "y.example/c", Some("2")),
            reach(Way::Snippet, "x.example/snippet", Some("return 200;")),
            reach(Way::Snippet, "y.example/snippet", Some(&"x".repeat(300))),
            reach(Way::Host, "a.example", None),
            reach(Way::Host, "b.example", None),
        ];

        let long = "x".repeat(80);
        assert_eq!(
            lines(&all),
            [
                "Ingress/a: has annotations a, b".to_owned(),
                "Ingress/a: has annotations x.example/{a, b}".to_owned(),
                "Ingress/a: has annotations y.example/c".to_owned(),
                "Ingress/a: gives a controller the snippet x.example/snippet = return 200;"
                    .to_owned(),
                format!(
                    "Ingress/a: gives a controller the snippet y.example/snippet = {long}… (`--json` has all of it)"
                ),
                "Ingress/a: takes requests for host a.example, b.example".to_owned(),
            ]
        );
    }

    #[test]
    fn bundle_that_stays_in_its_namespace_has_one_line() {
        assert_eq!(lines(&[]), ["nothing beyond its namespace"]);
    }
}
