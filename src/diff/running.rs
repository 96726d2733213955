//! Compares the images that containers run with those that a bundle pins.
//!
//! A runtime reports an image by the digest of a manifest (`REPOSITORY@sha256:…`) or by its id, the
//! digest of its config (`sha256:…`). If a node pulled an image twice, by tag and by digest, the
//! runtime may report the digest of its index. So a different manifest digest does not prove a
//! different image; a different id does.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::bundle::index::PodImage;
use crate::images::list::{ImageList, ListedImage};
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;

/// A container of a pod, and the image that it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningImage {
    pub pod: String,
    pub container: String,
    /// The reference in the pod.
    pub image: String,
    /// The runtime's report: `imageID` in the container's status; absent before the first report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
    pub state: RunningState,
    /// Whether the bundle has a container of this name. Others are injected, or were started for
    /// debugging.
    #[serde(skip)]
    pub is_ours: bool,
}

/// The result of comparing a running image with a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RunningState {
    /// The runtime reports the pinned manifest or config.
    Same,
    /// The runtime reports another image.
    Other,
    /// The runtime's report proves neither.
    Unknown,
    /// The bundle has no such image.
    Unlisted,
}

impl RunningImage {
    /// Returns whether the image is acceptable; an injected container may run its own image.
    pub fn is_well(&self) -> bool {
        match self.state {
            RunningState::Same | RunningState::Unknown => true,
            RunningState::Other => false,
            RunningState::Unlisted => !self.is_ours,
        }
    }
}

/// Compares the containers of pods with the images that a bundle assigns to containers of the same
/// name.
///
/// `images` are the bundle's images with their users, and `listed` is its `images.json`. Pods that
/// are being deleted or have ended are left out.
pub fn running_images(
    pods: &[Value],
    images: &[PodImage],
    listed: &ImageList,
) -> Vec<RunningImage> {
    let expected = Expected::of(images, listed);
    let runs = |pod: &&Value| {
        pod.pointer("/metadata/deletionTimestamp").is_none()
            && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
    };
    pods.iter().filter(runs).flat_map(|pod| containers(pod, &expected)).collect()
}

/// The images of a bundle.
struct Expected<'a> {
    all: Vec<&'a ListedImage>,
    /// By the names of the containers that run them.
    by_container: BTreeMap<&'a str, Vec<&'a ListedImage>>,
}

impl<'a> Expected<'a> {
    fn of(images: &'a [PodImage], listed: &'a ImageList) -> Self {
        let by_reference: BTreeMap<String, &ListedImage> =
            listed.images().map(|image| (image.reference.to_string(), image)).collect();
        let mut by_container: BTreeMap<&str, Vec<&ListedImage>> = BTreeMap::new();
        for image in images {
            let Some(found) = by_reference.get(&image.reference) else { continue };
            // `workload/container`
            for container in image.containers.iter().filter_map(|place| place.rsplit('/').next()) {
                by_container.entry(container).or_default().push(*found);
            }
        }
        Self { all: listed.images().collect(), by_container }
    }

    /// Compares an image with those of the container, or with all of the bundle if it has no such
    /// container.
    fn state(&self, container: &str, image: &str, reported: Option<Reported>) -> RunningState {
        let own = self.by_container.get(container).unwrap_or(&self.all);
        let full = image.parse::<ImageReference>().ok().map(|reference| reference.full());
        let pinned = own.iter().find(|listed| Some(listed.reference.full()) == full);
        let is_of = |images: &[&ListedImage]| {
            reported.is_some_and(|found| images.iter().any(|one| found.is(one)))
        };
        match (pinned, reported) {
            (Some(pinned), Some(reported)) if reported.is(pinned) => RunningState::Same,
            (Some(_), Some(Reported::Config(_))) => RunningState::Other,
            (Some(_), _) if is_of(&self.all) => RunningState::Other,
            (Some(_), _) => RunningState::Unknown,
            // A webhook may have written another registry into the pod.
            (None, _) if is_of(own) => RunningState::Same,
            (None, _) if is_of(&self.all) => RunningState::Other,
            (None, _) => RunningState::Unlisted,
        }
    }
}

/// The kinds of containers of a pod: the fields with their specification and their status.
const KINDS: [(&str, &str); 3] = [
    ("/spec/initContainers", "/status/initContainerStatuses"),
    ("/spec/containers", "/status/containerStatuses"),
    ("/spec/ephemeralContainers", "/status/ephemeralContainerStatuses"),
];

fn containers<'a>(
    pod: &'a Value,
    expected: &'a Expected<'_>,
) -> impl Iterator<Item = RunningImage> + 'a {
    KINDS.into_iter().flat_map(move |(specified, status)| {
        items(pod, specified).map(move |container| {
            let name = text(container, "/name");
            let status = items(pod, status).find(|status| text(status, "/name") == name);
            let reported =
                status.map(|status| text(status, "/imageID")).filter(|id| !id.is_empty());
            let image = text(container, "/image");
            RunningImage {
                pod: text(pod, "/metadata/name").to_owned(),
                container: name.to_owned(),
                image: image.to_owned(),
                // A pod's status may contain anything.
                reported: reported.map(|id| id.chars().take(ImageReference::BYTES_MAX).collect()),
                state: expected.state(name, image, reported.and_then(Reported::parse)),
                is_ours: expected.by_container.contains_key(name),
            }
        })
    })
}

/// The image that a runtime reports.
#[derive(Clone, Copy)]
enum Reported {
    Manifest(Digest),
    /// The id of an image: the digest of its config.
    Config(Digest),
}

impl Reported {
    /// Parses an `imageID`, with or without docker's scheme.
    fn parse(text: &str) -> Option<Self> {
        let text = text.rsplit_once("://").map_or(text, |(_, id)| id);
        match text.rsplit_once('@') {
            Some((_, digest)) => Digest::from_prefixed(digest).ok().map(Self::Manifest),
            // CRI-O omits the algorithm.
            None => Digest::from_prefixed(text).or_else(|_| text.parse()).ok().map(Self::Config),
        }
    }

    fn is(self, image: &ListedImage) -> bool {
        match self {
            Self::Manifest(digest) => image.digest == digest,
            // Among the blobs, only the config can be reported as an image, never a layer.
            Self::Config(digest) => image.blobs.contains(&digest),
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::images::lock::LockedImage;
    use crate::images::manifest::MediaType;

    fn images() -> ImageList {
        let images = ["relay", "redis"].map(|name| {
            let digest = Digest::of(name.as_bytes());
            let blobs = [(Digest::of(format!("{name} config").as_bytes()), 6)].into();
            let media_type = MediaType::OciManifest;
            let locked = LockedImage { tagged: digest, digest, media_type, size: 1, blobs };
            (
                format!("r.example/{name}:1").parse::<ImageReference>().unwrap().pinned(digest),
                locked,
            )
        });
        ImageList::of(images.iter().map(|(reference, locked)| (reference.clone(), locked))).unwrap()
    }

    fn pinned(name: &str) -> String {
        format!("r.example/{name}:1@{}", Digest::of(name.as_bytes()).prefixed())
    }

    fn pod(image: &str, id: &str) -> Value {
        json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": image}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "c", "imageID": id}]},
        })
    }

    fn found(pod: Value) -> Vec<RunningImage> {
        let used = [("relay", "w/c"), ("redis", "w/d")].map(|(name, container)| PodImage {
            reference: pinned(name),
            containers: vec![container.to_owned()],
        });
        running_images(&[pod], &used, &images())
    }

    #[test]
    fn reported_digest_is_compared_with_manifest_and_config() {
        let digest = |text: &str| Digest::of(text.as_bytes()).prefixed();
        let relay = pinned("relay");

        for (image, id, wanted) in [
            (&relay, format!("r.example/relay@{}", digest("relay")), RunningState::Same),
            (
                &relay,
                format!("docker-pullable://other.example/x@{}", digest("relay")),
                RunningState::Same,
            ),
            (&relay, digest("relay config"), RunningState::Same),
            (&relay, Digest::of(b"relay config").to_string(), RunningState::Same),
            (&relay, format!("r.example/redis@{}", digest("redis")), RunningState::Other),
            (&relay, digest("redis config"), RunningState::Other),
            (&relay, digest("unknown config"), RunningState::Other),
            (&relay, format!("r.example/relay@{}", digest("index")), RunningState::Unknown),
            (&relay, "rubbish".to_owned(), RunningState::Unknown),
            (&relay, String::new(), RunningState::Unknown),
            (&"r.example/relay:1".to_owned(), digest("unknown config"), RunningState::Unlisted),
            (&"r.example/relay:1".to_owned(), String::new(), RunningState::Unlisted),
            (&"mirror.example/relay:1".to_owned(), digest("relay config"), RunningState::Same),
            (&"mirror.example/relay:1".to_owned(), digest("redis config"), RunningState::Other),
            (&pinned("redis"), digest("redis config"), RunningState::Other),
            (&pinned("redis"), String::new(), RunningState::Unlisted),
        ] {
            assert_eq!(found(pod(image, &id))[0].state, wanted, "{image} {id}");
        }
    }

    #[test]
    fn only_foreign_containers_may_run_unlisted_images() {
        let mut both = pod("other.example/x:1", "");
        let injected = json!({"name": "proxy", "image": "other.example/proxy:1"});
        both.pointer_mut("/spec/containers").unwrap().as_array_mut().unwrap().push(injected);
        let found = found(both);
        assert_eq!(found.iter().map(RunningImage::is_well).collect::<Vec<_>>(), [false, true]);
        assert!(found.iter().all(|image| image.state == RunningState::Unlisted));
    }

    #[test]
    fn pods_that_end_are_left_out() {
        for (pointer, value) in
            [("/metadata/deletionTimestamp", "2026-11-22T10:00:00Z"), ("/status/phase", "Failed")]
        {
            let mut ending = pod("other.example/x:1", "");
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            ending.pointer_mut(parent).unwrap()[field] = value.into();
            assert_eq!(found(ending), []);
        }
    }

    #[test]
    fn init_and_debug_containers_count() {
        let pod = json!({
            "metadata": {"name": "p"},
            "spec": {
                "initContainers": [{"name": "c", "image": pinned("relay")}],
                "ephemeralContainers": [{"name": "debugger", "image": "busybox"}],
            },
            "status": {"initContainerStatuses": [{"name": "c", "imageID": Digest::of(b"relay config").prefixed()}]},
        });
        let states: Vec<_> =
            found(pod).into_iter().map(|image| (image.container, image.state)).collect();
        let wanted =
            [("c".to_owned(), RunningState::Same), ("debugger".to_owned(), RunningState::Unlisted)];
        assert_eq!(states, wanted);
    }
}
