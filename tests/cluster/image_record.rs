//! The record of a bundle with images.

use relay_bundle::rollout::packed_bundle::unpack;

use crate::carried::image_of;
use crate::images::{build, push};
use crate::oci::registry::{Access, Program, Registry};
use crate::site::Site;

#[test]
fn record_of_full_archive_has_its_manifests_only_form() {
    let Some(site) = Site::new("image-record") else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let images = [&image_of(&[b"layer of the relay"]), &image_of(&[b"layer of Redis"])];
    let bundle = build(&site, &registry.address, images, &[]);
    push(&site, &bundle, &[]);
    let full = bundle.with_extension("full.tar");
    let carries =
        |archive: &[u8], layer: &[u8]| archive.windows(layer.len()).any(|window| window == layer);
    assert!(carries(&fs_err::read(&full).unwrap(), b"layer of Redis"));

    site.applied(&full, &[]);

    let entry = site.plane.get(&site.namespace, "configmap/relay-bundle.relay-dev.1");
    let recorded = unpack(entry["binaryData"]["bundle.tar.gz"].as_str().unwrap()).unwrap();
    for absent in [&b"layer of the relay"[..], b"layer of Redis", b"blobs/", b"oci-layout"] {
        assert!(!carries(&recorded, absent), "{}", String::from_utf8_lossy(absent));
    }
    assert!(recorded == fs_err::read(&bundle).unwrap());
}
