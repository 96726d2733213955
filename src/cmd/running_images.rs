//! The images that the pods of an installation run, beside those that its bundle pins.

use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::cluster::error::CallError;
use crate::cluster::request::Request;
use crate::cluster::resource::key;
use crate::plan::running::{ContainerImages, RunningImage, running_images};
use crate::rollout::record::instance_label;

/// Compares the pods of a bundle with the images that it pins; nothing where it pins none.
///
/// # Errors
///
/// When the pods may not be listed, or the cluster does not answer.
pub(super) fn look(cluster: &Cluster, bundle: &Bundle) -> Result<Option<Vec<RunningImage>>, CallError> {
    let Some(images) = &bundle.images else { return Ok(None) };
    let index = &bundle.index;
    let folder = key("Pod", index.namespace.as_str(), "").expect("a kind that is known");
    let pods = cluster.list(&Request::list(&folder, &instance_label(&index.name)))?;
    let mut wanted = ContainerImages::new();
    for image in &index.images {
        // `workload/container`
        for container in image.containers.iter().filter_map(|place| place.rsplit('/').next()) {
            wanted.entry(container).or_default().insert(&image.reference);
        }
    }
    Ok(Some(running_images(&pods, images, &wanted)))
}
