//! Copies the chart's keys to the Secrets of the bundle.
//!
//! Their values must not change: this module finds the encryption key that the relay runs with, and
//! compares it with the bundle's. Values stay in memory, and are zeroed there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use zeroize::Zeroizing;

use super::super::secrets::{Coming, Opened, note_generations};
use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::helm::encryption_key::{
    Evidence, KnownKey, Reference, Written, oldest_start, reference, written,
};
use crate::helm::release::{Release, Values, take_values};
use crate::install::observe::list;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::secret_value::SecretValue;
use crate::rollout::live;

/// The chart's second key: each upgrade generates it together with the encryption key.
const JWT_SECRET: &str = "jwt-secret";

/// A value to write to a Secret of the bundle.
pub struct Carried {
    pub secret: ObjectKey,
    pub key: String,
    value: Zeroizing<Vec<u8>>,
    /// Its generation, if the bundle would otherwise generate it.
    generation: Option<i64>,
    /// A description of its source.
    from: String,
    /// Whether a Secret that is created for it is immutable.
    immutable: bool,
}

/// The state of the chart's keys.
struct Chart<'a> {
    release: &'a Release,
    reference: Reference,
    /// The live values of the chart's Secret.
    stored: Values,
    /// The uid and resource version of that Secret.
    version: String,
    written: Written,
    pods: Vec<Value>,
    /// The place from which the bundle reads the encryption key.
    wanted: Reference,
}

/// Decides which values are carried. Refuses a bundle that would give the relay another encryption
/// key than it runs with.
///
/// Returns the version of the chart's Secret, too, if any value is carried.
pub fn decide(
    cluster: &Cluster,
    bundle: &Bundle,
    release: &Release,
    revision: Option<u64>,
    opened: Option<&Opened>,
) -> Result<(Vec<Carried>, Option<String>), Failure> {
    let wanted = bundle.manifests.iter().find_map(|manifest| reference(&manifest.object));
    let wanted = wanted.ok_or_else(|| {
        Failure::input("the relay of the bundle does not take its encryption key from a Secret")
    })?;
    let chart = Chart::read(cluster, bundle.index.namespace.as_str(), release, wanted.clone())?;
    let chosen = chart.choose(revision)?;
    let mut carried = chart.encryption_key(cluster, bundle, &chosen, opened)?;
    if wanted == chart.reference && !carried.is_empty() {
        // Both keys of a revision were generated together; with another one, every session would
        // end.
        carried.extend(chart.at(revision, JWT_SECRET).map(|value| Carried {
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

impl<'a> Chart<'a> {
    fn read(
        cluster: &Cluster,
        namespace: &str,
        release: &'a Release,
        wanted: Reference,
    ) -> Result<Self, Failure> {
        let reference = release.of_kind("Deployment").find_map(reference).ok_or_else(|| {
            Failure::world("no Deployment of the release takes ENCRYPTION_KEY from a Secret")
                .hint("cannot tell which key the relay runs with: is it the chart `claude-relay`?")
        })?;
        let key = ObjectKey::of(Kind::Secret, namespace, &reference.secret);
        let Some(mut live) = cluster.find(&key)? else {
            return Err(Failure::world(format!(
                "the chart's {key} with the encryption key does not exist"
            ))
            .hint("restore it from its backup"));
        };
        let written = written(&live, FIELD_MANAGER);
        let version = format!("{}/{}", live::uid(&live), live::resource_version(&live));
        let stored = take_values(&mut live);
        if !stored.contains_key(&reference.key) {
            return Err(Failure::world(format!("the chart's {key} has no `{}`", reference.key))
                .hint("restore it from its backup"));
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
    fn choose(&self, revision: Option<u64>) -> Result<Chosen, Failure> {
        let evidence = self.evidence();
        let stored = Chosen {
            value: Zeroizing::new(self.stored_key().to_vec()),
            // An interrupted run made the choice, and its pods run with that key.
            is_certain: !evidence.is_adopted || evidence.oldest_pod.is_some(),
        };
        let Some(number) = revision else {
            return if evidence.is_doubtful() {
                Err(self.doubt(&evidence.known()))
            } else {
                Ok(stored)
            };
        };
        let Some(value) = self.at(Some(number), &self.reference.key) else {
            let failure =
                Failure::input(format!("Helm has no encryption key of revision {number}"));
            return Err(lines(&evidence.known()).into_iter().fold(failure, Failure::hint));
        };
        let is_choice = evidence.is_doubtful() || evidence.oldest_pod.is_none();
        if is_choice || value == stored.value {
            return Ok(Chosen { value, is_certain: true });
        }
        Err(Failure::input(format!(
            "the relay runs with the stored encryption key, which differs from that of revision \
             {number}"
        ))
        .hint("omit --key-from-revision"))
    }

    fn doubt(&self, known: &[KnownKey]) -> Failure {
        let Reference { secret, key } = &self.reference;
        let started = oldest_start(&self.pods, &self.reference);
        let what = match started {
            Some(time) => format!(
                "the relay does not run with the stored encryption key: its oldest pod started at \
                 {time}, but `{key}` of Secret {secret} is newer"
            ),
            None => format!(
                "no relay is running, and `{key}` of Secret {secret} has changed: cannot tell \
                 which key encrypts the data"
            ),
        };
        let failure = Failure::world(what)
            .hint(
                "nothing was changed; do not restart the relay before you choose a key: a running \
                 relay has the right one",
            )
            .hint(format!("the keys that Helm still has, by revision ({} in total):", known.len()));
        lines(known)
            .into_iter()
            .fold(failure, Failure::hint)
            .hint("choose the key that was stored when the pod started: --key-from-revision N")
    }

    /// Returns the encryption key to carry, or nothing if it is in place already. Fails if the
    /// bundle has another one, or one that cannot be compared.
    fn encryption_key(
        &self,
        cluster: &Cluster,
        bundle: &Bundle,
        chosen: &Chosen,
        opened: Option<&Opened>,
    ) -> Result<Vec<Carried>, Failure> {
        let wanted = &self.wanted;
        let target = secret(bundle, &wanted.secret);
        let source = bundle
            .index
            .contract
            .iter()
            .find(|known| known.kind == "Secret" && known.name == wanted.secret);
        let carried = |immutable| Carried {
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
            Standing::Runs => Ok(Vec::new()),
            Standing::Another => Err(Failure::world(format!(
                "the encryption key of the bundle, `{}` of Secret {}, differs from the one that \
                 the relay runs with",
                wanted.key, wanted.secret
            ))
            .hint(format!(
                "refer to the running one: `config.encryptionKey = {{ existing = {{ name = \"{}\", key = \"{}\" }} }}`",
                self.reference.secret, self.reference.key
            ))),
            Standing::Unknown if source_is(Source::Generated) => Ok(vec![carried(true)]),
            Standing::Unknown => {
                let failure = Failure::world(format!(
                    "the encryption key of the bundle, `{}` of Secret {}, cannot be compared with \
                     the running one",
                    wanted.key, wanted.secret
                ));
                Err(if source_is(Source::Sealed) && opened.is_none() {
                    failure.hint("it is sealed; pass the file with the private key: --identity \
                                  FILE")
                } else {
                    failure.hint("adopt with `existing` or `generate`, and change it afterwards")
                })
            }
        }
    }

    fn origin(&self, chosen: &Chosen) -> String {
        let Reference { secret, key } = &self.reference;
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
    ) -> Result<Vec<Carried>, Failure> {
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
            Some(Carried {
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
enum Standing {
    Runs,
    Another,
    Unknown,
}

/// Compares the bundle's key, or else the live one in its place, with the running key.
fn standing(brought: Option<&Vec<u8>>, live: Option<&Vec<u8>>, chosen: &Chosen) -> Standing {
    // After an interrupted run, the pods run with the live key.
    let runs = if chosen.is_certain { Some(&*chosen.value) } else { live };
    match (brought.or(live), runs) {
        (Some(comes), Some(runs)) if comes == runs => Standing::Runs,
        (Some(_), Some(_)) => Standing::Another,
        (None, _) | (_, None) => Standing::Unknown,
    }
}

/// Lists keys by revision and date.
fn lines(known: &[KnownKey]) -> Vec<String> {
    let line = |known: &KnownKey| {
        let numbers: Vec<String> = known.revisions.iter().map(u64::to_string).collect();
        let word = if numbers.len() == 1 { "revision" } else { "revisions" };
        let stored = if known.stored { ": the stored one" } else { "" };
        format!("{word} {}, of {}{stored}", numbers.join(", "), known.recorded)
    };
    known.iter().map(line).collect()
}

/// Describes the values to carry. Shows no value.
pub fn describe(carried: &[Carried]) -> Vec<String> {
    carried.iter().map(|of| format!("{}: {}, from {}", of.secret, of.key, of.from)).collect()
}

/// Returns the keys to carry, by Secret.
pub fn coming(carried: &[Carried]) -> Coming {
    let mut coming = Coming::new();
    for of in carried {
        coming.entry(of.secret.name.clone()).or_default().insert(of.key.clone());
    }
    coming
}

/// Writes all values of one Secret in one request: the keys of a revision belong together, and a
/// run may be interrupted between two requests.
pub fn carry(
    cluster: &Cluster,
    key: &ObjectKey,
    carried: &[&Carried],
    instance: &str,
) -> Result<(), Failure> {
    let there = cluster.find_secret(key)?;
    let new = || Secret::new(key, instance);
    cluster.put_secret(key, &filled(there, new, carried)?)?;
    Ok(())
}

/// Sets values in a Secret, or in a new one.
fn filled(
    there: Option<Secret>,
    new: impl Fn() -> Secret,
    carried: &[&Carried],
) -> Result<Secret, Failure> {
    let new = || {
        let mut secret = new();
        secret.immutable = carried.iter().any(|carried| carried.immutable);
        secret
    };
    let mut secret = there.unwrap_or_else(new);
    for carried in carried {
        secret.data.insert(carried.key.clone(), SecretValue::new(carried.value.clone()));
    }
    let generations =
        carried.iter().filter_map(|carried| Some((carried.key.clone(), carried.generation?)));
    let generations: Vec<_> = generations.collect();
    if !generations.is_empty() {
        note_generations(&mut secret, generations.into_iter())?;
    }
    Ok(secret)
}

/// Groups the values to carry by their Secret.
pub fn by_secret(carried: &[Carried]) -> BTreeMap<&ObjectKey, Vec<&Carried>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for carried in carried {
        all.entry(&carried.secret).or_default().push(carried);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bundle_brings_counts_and_not_what_lies_where_it_will_be() {
        let key = |text: &str| text.as_bytes().to_vec();
        let (runs, other) = (key("runs"), key("other"));
        let chosen = |is_certain| Chosen { value: Zeroizing::new(key("runs")), is_certain };
        let table = [
            (Some(&runs), None, true, Standing::Runs),
            (Some(&runs), Some(&other), true, Standing::Runs),
            (Some(&other), Some(&runs), true, Standing::Another),
            (None, Some(&runs), true, Standing::Runs),
            (None, Some(&other), true, Standing::Another),
            (None, None, true, Standing::Unknown),
            // Pods of the bundle run with the live key.
            (None, Some(&other), false, Standing::Runs),
            (Some(&other), Some(&other), false, Standing::Runs),
            (Some(&runs), Some(&other), false, Standing::Another),
            (Some(&runs), None, false, Standing::Unknown),
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
