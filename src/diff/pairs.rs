//! Matches the objects of two sets by kind, namespace and name, without the hash at the end of the
//! name.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};

/// The kinds whose names end in a hash of their content.
const HASHED: [Kind; 2] = [Kind::ConfigMap, Kind::NetworkPolicy];
const HASH_DIGITS: usize = 10;
/// The largest number of objects of a set that may differ only in their hash and are still compared
/// with each other.
const ALIKE_MAX: usize = 16;

/// An object of the old set, the new one, or both.
pub(super) struct Pair<'a> {
    /// The name without its hash.
    pub(super) base: String,
    pub(super) old: Option<&'a Manifest>,
    pub(super) new: Option<&'a Manifest>,
}

impl<'a> Pair<'a> {
    /// Returns the new object if it exists, otherwise the old one.
    pub(super) fn any(&self) -> &'a Manifest {
        self.new.or(self.old).expect("a pair has at least one side")
    }

    /// Returns both names if they differ in their hash.
    pub(super) fn renamed(&self) -> Option<(&'a str, &'a str)> {
        let (old, new) = (self.old?, self.new?);
        (old.key.name != new.key.name).then_some((&old.key.name, &new.key.name))
    }
}

/// Phase, namespace, and name with or without its hash.
type Identity = (usize, String, String);

/// Returns the objects of both sets in apply order.
pub(super) fn pairs<'a>(old: &'a ManifestSet, new: &'a ManifestSet) -> Vec<Pair<'a>> {
    let ambiguous: BTreeSet<Identity> = repeated(old).chain(repeated(new)).collect();
    let identity = |manifest: &Manifest| {
        let (phase, namespace, base) = based(manifest);
        if ambiguous.contains(&(phase, namespace.clone(), base.clone())) {
            return (phase, namespace, manifest.key.name.clone());
        }
        (phase, namespace, base)
    };
    let mut sides: BTreeMap<Identity, (Option<&Manifest>, Option<&Manifest>)> = BTreeMap::new();
    for manifest in old.iter() {
        sides.entry(identity(manifest)).or_default().0 = Some(manifest);
    }
    for manifest in new.iter() {
        sides.entry(identity(manifest)).or_default().1 = Some(manifest);
    }
    sides.into_iter().map(|((_, _, base), (old, new))| Pair { base, old, new }).collect()
}

/// Returns the pairs of objects of a kind whose names differ only in their hash, unless too many
/// share a name without it.
pub(super) fn renamed<'a>(
    old: &'a ManifestSet,
    new: &'a ManifestSet,
    kind: Kind,
) -> Vec<(&'a Manifest, &'a Manifest)> {
    let mut sides: BTreeMap<Identity, [Vec<&Manifest>; 2]> = BTreeMap::new();
    for (at, set) in [old, new].into_iter().enumerate() {
        for manifest in set.iter().filter(|manifest| manifest.key.is(kind)) {
            sides.entry(based(manifest)).or_default()[at].push(manifest);
        }
    }
    let few = sides.into_values().filter(|[old, new]| old.len().max(new.len()) <= ALIKE_MAX);
    let both = |[old, new]: [Vec<&'a Manifest>; 2]| {
        old.into_iter().flat_map(move |old| new.clone().into_iter().map(move |new| (old, new)))
    };
    few.flat_map(both).filter(|(old, new)| old.key.name != new.key.name).collect()
}

fn based(manifest: &Manifest) -> Identity {
    let name = base_name(&manifest.key).to_owned();
    (manifest.phase, manifest.key.namespace.clone(), name)
}

/// Returns the identities that several objects of a set would share without their hashes. Those
/// objects keep their whole names.
fn repeated(set: &ManifestSet) -> impl Iterator<Item = Identity> {
    let mut seen = BTreeSet::new();
    set.iter().map(based).filter(move |identity| !seen.insert(identity.clone()))
}

/// Returns the name of an object without the hash at its end.
fn base_name(key: &ObjectKey) -> &str {
    let is_hash = |text: &str| {
        text.len() == HASH_DIGITS
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_hashed = key.known_kind().is_some_and(|kind| HASHED.contains(&kind));
    match key.name.rsplit_once('-') {
        Some((base, hash)) if is_hashed && is_hash(hash) && !base.is_empty() => base,
        _ => &key.name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(objects: &[(&str, &str)]) -> ManifestSet {
        let mut set = ManifestSet::default();
        for (kind, name) in objects {
            set.add(&json!({"kind": kind, "metadata": {"name": name, "namespace": "n"}}));
        }
        set
    }

    fn shown(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let (old, new) = (set(old), set(new));
        let name = |side: Option<&Manifest>| {
            side.map_or("-".to_owned(), |manifest| manifest.key.name.clone())
        };
        pairs(&old, &new)
            .iter()
            .map(|pair| format!("{}: {} {}", pair.base, name(pair.old), name(pair.new)))
            .collect()
    }

    #[test]
    fn objects_whose_names_differ_only_by_hash_are_paired() {
        let old = [
            ("ConfigMap", "a-config-0123456789"),
            ("NetworkPolicy", "a-aaaaaaaaaa"),
            ("Service", "s-0123456789"),
        ];
        let new = [
            ("ConfigMap", "a-config-9876543210"),
            ("NetworkPolicy", "a-bbbbbbbbbb"),
            ("Service", "s-9876543210"),
        ];
        assert_eq!(
            shown(&old, &new),
            [
                "a: a-aaaaaaaaaa a-bbbbbbbbbb",
                "a-config: a-config-0123456789 a-config-9876543210",
                "s-0123456789: s-0123456789 -",
                "s-9876543210: - s-9876543210",
            ]
        );
    }

    #[test]
    fn objects_that_would_share_name_keep_their_hashes() {
        let old = [("ConfigMap", "a-0000000000"), ("ConfigMap", "a-1111111111")];
        let new = [("ConfigMap", "a-1111111111")];
        assert_eq!(
            shown(&old, &new),
            ["a-0000000000: a-0000000000 -", "a-1111111111: a-1111111111 a-1111111111"]
        );
    }
}
