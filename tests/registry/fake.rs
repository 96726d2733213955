//! A registry in memory that works, or has one flaw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay_bundle::model::digest::Digest;
use serde_json::Value;

use crate::stub::{Answer, BodyBreak, BreakEnd, Seen, Stub};

/// A registry's flaw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// It answers mounts with an upload.
    NoMounts,
    /// Existing tags do not move.
    ImmutableTags,
    /// It accepts no tags.
    NoTags,
    /// Tags move, but new ones are refused.
    NoNewTags,
    /// The tag of the relay names a Helm chart.
    Charts,
    /// Another push sets each tag just before the last request for it.
    Race,
    /// It stores other manifests than it receives.
    StoresOther,
    /// A proxy in front of it refuses large bodies.
    TooLarge,
    /// It permits pulls only.
    ReadOnly,
    /// The project's quota is exhausted.
    Quota,
    /// It claims to have mounted a blob, but has not.
    FalseMounts,
    /// The connection of the first large upload ends in mid-body.
    BreaksUpload,
    /// It reads no more of the first large upload in mid-body.
    StallsUpload,
    /// It takes more than a second to begin the first upload.
    Slow,
}

/// The size of a body that a registry with [`Flaw::BreaksUpload`] or [`Flaw::StallsUpload`] does
/// not read whole, and the number of bytes that it reads.
pub(crate) const LARGE_BYTES: usize = 8 << 20;
pub(crate) const BREAK_BYTES: usize = 3 << 20;
/// Progress appears only after a second.
const SLOW: Duration = Duration::from_millis(1200);

/// The manifest of another push.
pub(crate) const RIVAL: &str = r#"{"config":{"digest":"sha256:0"},"layers":[]}"#;

#[derive(Default)]
struct Storage {
    blobs: BTreeSet<(String, String)>,
    /// By repository, and tag or digest.
    manifests: BTreeMap<(String, String), String>,
}

/// A running registry.
pub(crate) struct Fake {
    pub(crate) stub: Stub,
    storage: Arc<Mutex<Storage>>,
}

impl Fake {
    pub(crate) fn start(flaw: Flaw) -> Self {
        let storage: Arc<Mutex<Storage>> = Arc::default();
        let kept = Arc::clone(&storage);
        let then = match flaw {
            Flaw::BreaksUpload => Some(BreakEnd::Close),
            Flaw::StallsUpload => Some(BreakEnd::Stall),
            _ => None,
        };
        let is_broken = AtomicBool::new(false);
        let breaks = move |seen: &Seen| {
            let length = seen.header("content-length")?.parse::<usize>().ok()?;
            let then = then.filter(|_| length >= LARGE_BYTES)?;
            let is_first = !is_broken.swap(true, Ordering::SeqCst);
            is_first.then_some(BodyBreak { after: BREAK_BYTES, then })
        };
        let is_slow = AtomicBool::new(flaw == Flaw::Slow);
        let stub = Stub::start_breaking(breaks, move |seen, _| {
            if seen.method == "POST" && is_slow.swap(false, Ordering::SeqCst) {
                std::thread::sleep(SLOW);
            }
            storage.lock().unwrap().answer(flaw, seen)
        });
        Self { stub, storage: kept }
    }

    /// Returns the manifest of a tag or digest.
    pub(crate) fn manifest(&self, repository: &str, name: &str) -> Option<String> {
        self.storage
            .lock()
            .unwrap()
            .manifests
            .get(&(repository.to_owned(), name.to_owned()))
            .cloned()
    }

    /// Returns true if a repository has a config or a layer.
    pub(crate) fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.storage.lock().unwrap().blobs.contains(&(repository.to_owned(), digest.to_owned()))
    }

    /// Stores a manifest under its digest and a tag, and the blobs that it names.
    pub(crate) fn put_manifest(&self, repository: &str, tag: &str, text: &str) {
        let mut storage = self.storage.lock().unwrap();
        storage.blobs.extend(named(text).map(|digest| (repository.to_owned(), digest)));
        for name in [tag.to_owned(), format!("sha256:{}", Digest::of(text.as_bytes()))] {
            storage.manifests.insert((repository.to_owned(), name), text.to_owned());
        }
    }

    /// Removes a blob.
    pub(crate) fn lose(&self, repository: &str, digest: &str) {
        assert!(
            self.storage.lock().unwrap().blobs.remove(&(repository.to_owned(), digest.to_owned()))
        );
    }

    /// Returns the number of requests with a method.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.stub.seen().iter().filter(|seen| seen.method == method).count()
    }
}

impl Storage {
    fn answer(&mut self, flaw: Flaw, seen: &Seen) -> Answer {
        let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
        let Some(path) = path.strip_prefix("/v2/").filter(|path| !path.is_empty()) else {
            return Answer::new(200, "{}");
        };
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)).map(str::to_owned)
        };
        if let Some((repository, name)) = path.split_once("/manifests/") {
            return self.manifest(flaw, seen, (repository.to_owned(), name.to_owned()));
        }
        let (repository, rest) = path.split_once("/blobs/").unwrap();
        match seen.method.as_str() {
            "POST" if flaw == Flaw::ReadOnly => Answer::new(403, ""),
            "POST" => {
                let mount =
                    parameter("mount=").zip(parameter("from=")).filter(|_| flaw != Flaw::NoMounts);
                if let Some((digest, from)) = mount
                    && self.blobs.contains(&(from, digest.clone()))
                {
                    if flaw != Flaw::FalseMounts {
                        self.blobs.insert((repository.to_owned(), digest));
                    }
                    return Answer::new(201, "");
                }
                Answer::new(202, "")
                    .header("Location", &format!("/v2/{repository}/blobs/uploads/1"))
            }
            "PUT" if flaw == Flaw::Quota => {
                let words = "adding 3 B of storage resource exceeds the quota of the project";
                Answer::new(
                    412,
                    format!("{{\"errors\":[{{\"code\":\"DENIED\",\"message\":\"{words}\"}}]}}"),
                )
            }
            "PUT" if flaw == Flaw::TooLarge => Answer::new(413, "<html>"),
            "PUT" => {
                let digest = parameter("digest=").unwrap();
                let found = format!("sha256:{}", Digest::of(seen.body.as_bytes()));
                if found != digest {
                    return Answer::new(400, "");
                }
                self.blobs.insert((repository.to_owned(), digest));
                Answer::new(201, "")
            }
            "DELETE" => Answer::new(204, ""),
            _ if self.blobs.contains(&(repository.to_owned(), rest.to_owned())) => {
                Answer::new(200, "")
            }
            _ => Answer::new(404, ""),
        }
    }

    /// Returns true if a repository has all blobs that a manifest names.
    fn is_complete(&self, repository: &str, manifest: &str) -> bool {
        named(manifest).all(|digest| self.blobs.contains(&(repository.to_owned(), digest)))
    }

    fn manifest(&mut self, flaw: Flaw, seen: &Seen, key: (String, String)) -> Answer {
        let is_tag = !key.1.starts_with("sha256:");
        let known = self.manifests.get(&key);
        match seen.method.as_str() {
            "PUT"
                if is_tag
                    && match flaw {
                        Flaw::NoTags => true,
                        Flaw::NoNewTags => known.is_none(),
                        Flaw::ImmutableTags => known.is_some(),
                        _ => false,
                    } =>
            {
                Answer::new(
                    400,
                    "{\"errors\":[{\"code\":\"TAG_INVALID\",\"message\":\"immutable\"}]}",
                )
            }
            "PUT" if !self.is_complete(&key.0, &seen.body) => Answer::new(
                400,
                "{\"errors\":[{\"code\":\"MANIFEST_BLOB_UNKNOWN\",\"message\":\"blob unknown\"}]}",
            ),
            "PUT" => {
                let text = if flaw == Flaw::StoresOther { "{}" } else { &seen.body };
                if flaw == Flaw::Race && !is_tag {
                    self.manifests.insert((key.0.clone(), "v1.1.314".to_owned()), RIVAL.to_owned());
                }
                self.manifests.insert(key, text.to_owned());
                Answer::new(201, "")
            }
            _ if flaw == Flaw::Charts && key.1 == "v1.1.314" => {
                Answer::of("application/vnd.cncf.helm", "{}")
            }
            method => match known {
                None => Answer::new(404, ""),
                Some(_) if method == "HEAD" => {
                    Answer::of("application/vnd.oci.image.manifest.v1+json", "")
                }
                Some(text) => {
                    Answer::of("application/vnd.oci.image.manifest.v1+json", text.as_str())
                }
            },
        }
    }
}

/// Returns the digests of the config and the layers of a manifest.
fn named(manifest: &str) -> impl Iterator<Item = String> {
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap().clone();
    layers
        .into_iter()
        .chain([manifest["config"].clone()])
        .map(|one| one["digest"].as_str().unwrap().to_owned())
}
