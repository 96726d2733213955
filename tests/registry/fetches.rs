//! `fetch` from registries that serve other bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::site::Site;
use crate::site::carried::{PROFILE, image_of, lock, locked};
use crate::stub::{Answer, Stub};

#[test]
fn blob_with_right_size_but_wrong_bytes_is_not_stored() {
    let image = image_of(&[b"the layer"]);
    let is_wrong = Arc::new(AtomicBool::new(true));
    let (serves_wrong, served) = (Arc::clone(&is_wrong), image_of(&[b"the layer"]));
    let stub = Stub::start(move |seen, _| {
        if seen.target.contains("/manifests/") {
            return Answer::of(served.manifest.media_type, served.manifest.bytes.clone());
        }
        let blob = served.blobs.iter().find(|blob| seen.target.ends_with(&blob.digest));
        match blob {
            None => Answer::new(404, ""),
            Some(blob)
                if blob.digest == served.blobs[1].digest && serves_wrong.load(Ordering::SeqCst) =>
            {
                Answer::new(200, "THE LAYER")
            }
            Some(blob) => Answer::new(200, blob.bytes.clone()),
        }
    });
    let site = Site::new("registry.example.internal:5000");
    lock(&site.file("profiles"), locked(&image));
    let from = format!("ghcr.io={}", stub.address());
    let fetch = || site.run(&["fetch", PROFILE, "--from", &from]);
    let layer = &image.blobs[1];
    let stored = site.file("bundles/.blobs/sha256").join(layer.hex());
    let partial = site.file("bundles/.blobs/.partial").join(layer.hex());

    let ended = fetch();

    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let wrong = format!("wrong content for {} of `ghcr.io/wei-shaw/", layer.digest);
    assert!(ended.stderr.contains(&wrong), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: fetch from another registry: --from HOST=MIRROR"));
    assert!(!stored.exists() && fs_err::metadata(&partial).map_or(0, |found| found.len()) == 0);

    is_wrong.store(false, Ordering::SeqCst);
    let again = fetch();

    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(fs_err::read(stored).unwrap(), layer.bytes);
}
