//! Decides which keys of the chart are copied to the Secrets of the bundle.
//!
//! Their values must not change: this module finds the encryption key that the relay runs with, and
//! compares it with the bundle's. Values stay in memory, and are zeroed there.

use std::collections::BTreeSet;

use serde_json::Value;
use zeroize::Zeroizing;

use super::carried_values::CarriedValue;
use super::chart_key_error::{ChartKeyError, KeyDoubt};
use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::failure::Failure;
use crate::helm::encryption_key::{
    Evidence, KeyReference, LastWriter, oldest_start, reference, written,
};
use crate::helm::release::{HelmRelease, SecretValues, take_values};
use crate::install::observation::list;
use crate::install::secrets::Opened;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::live_object;

/// The chart's second key: each upgrade generates it together with the encryption key.
const JWT_SECRET: &str = "jwt-secret";

/// The state of the chart's keys.
struct ChartKeys<'a> {
    release: &'a HelmRelease,
    reference: KeyReference,
    /// The live values of the chart's Secret.
    stored: SecretValues,
    /// The uid and resource version of that Secret.
    version: String,
    written: LastWriter,
    pods: Vec<Value>,
    /// The place from which the bundle reads the encryption key.
    wanted: KeyReference,
}

/// Decides which values are carried. Refuses a bundle that would give the relay another encryption
/// key than it runs with.
///
/// Returns the version of the chart's Secret, too, if any value is carried.
pub fn decide(
    cluster: &Cluster,
    bundle: &Bundle,
    release: &HelmRelease,
    revision: Option<u64>,
    opened: Option<&Opened>,
) -> Result<(Vec<CarriedValue>, Option<String>), Failure> {
    let wanted = bundle.manifests.iter().find_map(|manifest| reference(&manifest.object));
    let wanted = wanted.ok_or(ChartKeyError::NotInBundle)?;
    let chart = ChartKeys::read(cluster, bundle.index.namespace.as_str(), release, wanted.clone())?;
    let chosen = chart.choose(revision)?;
    let mut carried = chart.encryption_key(cluster, bundle, &chosen, opened)?;
    if wanted == chart.reference && !carried.is_empty() {
        // Both keys of a revision were generated together; with another one, every session would
        // end.
        carried.extend(chart.at(revision, JWT_SECRET).map(|value| CarriedValue {
            secret: secret(bundle, &wanted.secret),
            key: JWT_SECRET.to_owned(),
            value,
            generation: None,
            from: format!("revision {} of the release", revision.unwrap_or_default()),
            immutable: false,
        }));
    }

    let generated =
        bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Generated);
    for of in generated.filter(|of| of.name != wanted.secret) {
        carried.extend(chart.others(
            cluster,
            bundle,
            of,
            revision.filter(|_| chart.is_doubtful()),
        )?);
    }

    let source = Some(chart.version).filter(|_| !carried.is_empty());
    Ok((carried, source))
}

fn secret(bundle: &Bundle, name: &str) -> ObjectKey {
    ObjectKey::of(Kind::Secret, bundle.index.namespace.as_str(), name)
}

/// Returns the generation of a value that the bundle wants.
fn generation(wanted: &Wanted, key: &str) -> Option<i64> {
    wanted.keys.iter().find(|known| known.key == key)?.generation
}

impl<'a> ChartKeys<'a> {
    fn read(
        cluster: &Cluster,
        namespace: &str,
        release: &'a HelmRelease,
        wanted: KeyReference,
    ) -> Result<Self, Failure> {
        let reference = release.of_kind(Kind::Deployment).find_map(reference);
        let reference = reference.ok_or(ChartKeyError::NotInRelease)?;
        let secret = ObjectKey::of(Kind::Secret, namespace, &reference.secret);
        let Some(mut live) = cluster.find(&secret)? else {
            return Err(ChartKeyError::NoSecret(secret).into());
        };
        let written = written(&live, FIELD_MANAGER);
        let version =
            format!("{}/{}", live_object::uid(&live), live_object::resource_version(&live));
        let stored = take_values(&mut live);
        if !stored.contains_key(&reference.key) {
            return Err(ChartKeyError::NoKey { secret, key: reference.key }.into());
        }
        let pods = list(cluster, Kind::Pod, namespace)?;
        Ok(Self { release, reference, stored, version, written, pods, wanted })
    }

    fn stored_key(&self) -> &[u8] {
        self.stored.get(&self.reference.key).map_or(&[], |value| value.as_slice())
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            release: self.release,
            reference: &self.reference,
            stored: self.stored_key(),
            written: self.written,
            oldest_pod: oldest_start(&self.pods, &self.reference),
            is_adopted: oldest_start(&self.pods, &self.wanted).is_some(),
        }
    }

    fn is_doubtful(&self) -> bool {
        self.evidence().is_doubtful()
    }

    /// Returns the value of a key in the chart's Secret at a revision.
    fn at(&self, revision: Option<u64>, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut revisions = self.release.revisions.iter();
        let revision = revisions.find(|known| Some(known.number) == revision)?;
        revision.value(&self.reference.secret, key).map(|value| Zeroizing::new(value.to_vec()))
    }

    /// Returns the encryption key that the relay runs with: the stored one, or the operator's
    /// choice.
    fn choose(&self, revision: Option<u64>) -> Result<Chosen, ChartKeyError> {
        let evidence = self.evidence();
        let stored = Chosen {
            value: Zeroizing::new(self.stored_key().to_vec()),
            // An interrupted run made the choice, and its pods run with that key.
            is_certain: !evidence.is_adopted || evidence.oldest_pod.is_some(),
        };
        let Some(revision) = revision else {
            if !evidence.is_doubtful() {
                return Ok(stored);
            }
            let started = evidence.oldest_pod;
            let doubt = KeyDoubt { stored: self.reference.clone(), started };
            return Err(ChartKeyError::Doubtful { doubt, known: evidence.known() });
        };
        let Some(value) = self.at(Some(revision), &self.reference.key) else {
            return Err(ChartKeyError::NotInRevision { revision, known: evidence.known() });
        };
        let is_choice = evidence.is_doubtful() || evidence.oldest_pod.is_none();
        if is_choice || value == stored.value {
            return Ok(Chosen { value, is_certain: true });
        }
        Err(ChartKeyError::RunsWithStored { revision })
    }

    /// Returns the encryption key to carry, or nothing if it is in place already. Fails if the
    /// bundle has another one, or one that cannot be compared.
    fn encryption_key(
        &self,
        cluster: &Cluster,
        bundle: &Bundle,
        chosen: &Chosen,
        opened: Option<&Opened>,
    ) -> Result<Vec<CarriedValue>, Failure> {
        let wanted = &self.wanted;
        let target = secret(bundle, &wanted.secret);
        let source = bundle
            .index
            .contract
            .iter()
            .find(|known| known.is(Kind::Secret) && known.name == wanted.secret);
        let carried = |immutable| CarriedValue {
            secret: target.clone(),
            key: wanted.key.clone(),
            value: chosen.value.clone(),
            generation: source.and_then(|source| generation(source, &wanted.key)),
            from: self.origin(chosen),
            immutable,
        };

        if *wanted == self.reference {
            let is_stored = self.stored_key() == chosen.value.as_slice();
            return Ok(if is_stored { Vec::new() } else { vec![carried(false)] });
        }

        let source_is = |wanted| source.is_some_and(|source| source.source == wanted);
        let mut literal = bundle.manifests.iter().filter(|manifest| manifest.key == target);
        let brought = match literal.next() {
            Some(manifest) => take_values(&mut manifest.object.clone()).remove(&wanted.key),
            None if source_is(Source::Sealed) => opened
                .and_then(|opened| opened.value(&wanted.secret, &wanted.key))
                .map(|value| Zeroizing::new(value.expose().to_vec())),
            None => None,
        };

        let live =
            cluster.find(&target)?.and_then(|mut live| take_values(&mut live).remove(&wanted.key));
        match standing(brought.as_deref(), live.as_deref(), chosen) {
            KeyComparison::Runs => Ok(Vec::new()),
            KeyComparison::Another => {
                let running = self.reference.clone();
                Err(ChartKeyError::Differs { wanted: wanted.clone(), running }.into())
            }
            KeyComparison::Unknown if source_is(Source::Generated) => Ok(vec![carried(true)]),
            KeyComparison::Unknown => {
                let is_closed = source_is(Source::Sealed) && opened.is_none();
                Err(ChartKeyError::Incomparable { wanted: wanted.clone(), is_closed }.into())
            }
        }
    }

    fn origin(&self, chosen: &Chosen) -> String {
        let KeyReference { secret, key } = &self.reference;
        if self.stored_key() == chosen.value.as_slice() {
            return format!("`{key}` of Secret {secret}");
        }
        "the revision that was chosen".to_owned()
    }

    /// Returns the other values to carry: the chart has them, and the bundle would generate them
    /// because they are missing.
    fn others(
        &self,
        cluster: &Cluster,
        bundle: &Bundle,
        wanted: &Wanted,
        revision: Option<u64>,
    ) -> Result<Vec<CarriedValue>, Failure> {
        let target = secret(bundle, &wanted.name);
        let there: BTreeSet<String> = cluster
            .find(&target)?
            .map(|mut live| take_values(&mut live).into_keys().collect())
            .unwrap_or_default();
        let missing =
            wanted.keys.iter().map(|key| key.key.as_str()).filter(|key| !there.contains(*key));
        let value = |key: &str| {
            let early = self.at(revision, key).filter(|_| key == JWT_SECRET);
            early.or_else(|| self.stored.get(key).cloned())
        };
        let carried = missing.filter_map(|key| {
            let from = format!("`{key}` of Secret {}", self.reference.secret);
            Some(CarriedValue {
                secret: target.clone(),
                key: key.to_owned(),
                value: value(key)?,
                generation: generation(wanted, key),
                from,
                immutable: false,
            })
        });
        Ok(carried.collect())
    }
}

/// The encryption key that the relay runs with.
struct Chosen {
    value: Zeroizing<Vec<u8>>,
    /// False if only pods of the bundle run: none reads its key from the chart's Secret any more.
    is_certain: bool,
}

/// The comparison of the key that the bundle's pods will get with the running one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyComparison {
    Runs,
    Another,
    Unknown,
}

/// Compares the bundle's key, or else the live one in its place, with the running key.
fn standing(brought: Option<&Vec<u8>>, live: Option<&Vec<u8>>, chosen: &Chosen) -> KeyComparison {
    // After an interrupted run, the pods run with the live key.
    let runs = if chosen.is_certain { Some(&*chosen.value) } else { live };
    match (brought.or(live), runs) {
        (Some(comes), Some(runs)) if comes == runs => KeyComparison::Runs,
        (Some(_), Some(_)) => KeyComparison::Another,
        (None, _) | (_, None) => KeyComparison::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_in_bundle_takes_precedence_over_live_value() {
        let key = |text: &str| text.as_bytes().to_vec();
        let (runs, other) = (key("runs"), key("other"));
        let chosen = |is_certain| Chosen { value: Zeroizing::new(key("runs")), is_certain };
        let table = [
            (Some(&runs), None, true, KeyComparison::Runs),
            (Some(&runs), Some(&other), true, KeyComparison::Runs),
            (Some(&other), Some(&runs), true, KeyComparison::Another),
            (None, Some(&runs), true, KeyComparison::Runs),
            (None, Some(&other), true, KeyComparison::Another),
            (None, None, true, KeyComparison::Unknown),
            // Pods of the bundle run with the live key.
            (None, Some(&other), false, KeyComparison::Runs),
            (Some(&other), Some(&other), false, KeyComparison::Runs),
            (Some(&runs), Some(&other), false, KeyComparison::Another),
            (Some(&runs), None, false, KeyComparison::Unknown),
        ];
        for (brought, live, is_certain, wanted) in table {
            assert_eq!(
                standing(brought, live, &chosen(is_certain)),
                wanted,
                "{brought:?} {live:?} {is_certain}"
            );
        }
    }
}
