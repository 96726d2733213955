//! Finds the changed images, and the containers that run them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::bundle::index::PodImage;

/// A change of the image of some containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageChange {
    /// Absent if the containers are new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Absent if the containers were removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// `workload/container` of each.
    pub containers: Vec<String>,
}

/// Returns the changes, grouped by old and new image.
pub(super) fn changes(old: &[PodImage], new: &[PodImage]) -> Vec<ImageChange> {
    let (old, new) = (by_container(old), by_container(new));
    let containers: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut changes: BTreeMap<(Option<&str>, Option<&str>), Vec<String>> = BTreeMap::new();
    for container in containers {
        let images = (old.get(container).copied(), new.get(container).copied());
        if images.0 != images.1 {
            changes.entry(images).or_default().push(container.to_owned());
        }
    }
    let change = |((old, new), containers): ((Option<&str>, Option<&str>), _)| ImageChange {
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
        containers,
    };
    changes.into_iter().map(change).collect()
}

fn by_container(images: &[PodImage]) -> BTreeMap<&str, &str> {
    images.iter().flat_map(users).collect()
}

fn users(image: &PodImage) -> impl Iterator<Item = (&str, &str)> {
    image.containers.iter().map(|container| (container.as_str(), image.reference.as_str()))
}
