use super::*;
use crate::images::layout;
use crate::images::lock::IMAGES_MAX;

fn of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn locked(name: &str, blobs: &[(&str, u64)]) -> LockedImage {
    LockedImage {
        tagged: of(name),
        digest: of(name),
        media_type: MediaType::OciManifest,
        size: 707,
        blobs: blobs.iter().map(|(blob, size)| (of(blob), *size)).collect(),
    }
}

/// Two images that share a layer.
fn list() -> ImageList {
    let relay = locked("relay", &[("config", 470), ("shared", 900)]);
    let redis = locked("redis", &[("redis config", 471), ("shared", 900)]);
    ImageList::of([
        (pinned("r.example/relay:1", &relay), &relay),
        (pinned("redis:8", &redis), &redis),
    ])
    .unwrap()
}

fn pinned(name: &str, image: &LockedImage) -> ImageReference {
    name.parse::<ImageReference>().unwrap().pinned(image.digest)
}

#[test]
fn list_has_one_spelling() {
    let bytes = list().to_bytes();
    assert_eq!(ImageList::parse(&bytes).unwrap(), list());
    assert!(bytes.starts_with(br#"{"blobs":[{"digest":"sha256:"#));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            // A changed size, digest or name is a different valid list, which is written back byte
            // for byte.
            if let Ok(read) = ImageList::parse(&other) {
                assert_eq!(read.to_bytes(), other);
                assert_ne!(read, list());
            }
        }
    }
}

#[test]
fn list_that_contradicts_itself_is_refused() {
    let text = String::from_utf8(list().to_bytes()).unwrap();
    let [relay, redis, shared] = ["relay", "redis", "shared"].map(of);
    for (from, to) in [
        ("\"format\":1".to_owned(), "\"format\":2".to_owned()),
        (format!("@sha256:{relay}"), String::new()),
        (format!("@sha256:{relay}"), format!("@sha256:{redis}")),
        ("r.example/relay".to_owned(), "r.example/Relay".to_owned()),
        ("\"size\":900".to_owned(), "\"size\":0".to_owned()),
        ("\"size\":900".to_owned(), "\"size\":8589934592".to_owned()),
        ("\"size\":707".to_owned(), "\"size\":4194305".to_owned()),
        (format!(",{{\"digest\":\"sha256:{shared}\",\"size\":900}}"), String::new()),
        ("image.manifest.v1".to_owned(), "image.index.v1".to_owned()),
        ("\"format\":1".to_owned(), "\"format\":1,\"format\":1".to_owned()),
        ("{\"blobs\"".to_owned(), "{\"a\":1,\"blobs\"".to_owned()),
    ] {
        let changed = text.replacen(&from, &to, 1);
        assert_ne!(changed, text, "{from} -> {to}");
        assert!(ImageList::parse(changed.as_bytes()).is_err(), "{from} -> {to}");
    }
}

#[test]
fn blob_of_no_image_is_refused() {
    let text = String::from_utf8(list().to_bytes()).unwrap();
    let entry = format!("\"sha256:{}\"", of("config"));
    let images = text.find("\"images\"").unwrap();
    let (head, tail) = text.split_at(images);
    let without = tail.replacen(&format!("{entry},"), "", 1).replacen(&format!(",{entry}"), "", 1);
    let error = ImageList::parse(format!("{head}{without}").as_bytes()).unwrap_err();
    assert!(error.to_string().ends_with("belongs to no image"), "{error}");
}

#[test]
fn one_name_for_two_images_is_refused() {
    let (one, other) = (locked("one", &[("a", 1)]), locked("other", &[("b", 1)]));
    let images =
        [(pinned("redis:8", &one), &one), (pinned("docker.io/library/redis:8", &other), &other)];
    let error = ImageList::of(images).unwrap_err();
    assert_eq!(error.to_string(), "`docker.io/library/redis:8` would be two images");
}

#[test]
fn too_many_images_are_refused() {
    let image = locked("one", &[("a", 1)]);
    let list = |number: usize| {
        ImageList::of(
            (0..number).map(|number| (pinned(&format!("r.example/x{number}:1"), &image), &image)),
        )
    };
    assert!(list(IMAGES_MAX).is_ok());
    assert!(matches!(list(IMAGES_MAX + 1), Err(InvalidImageList::TooMany(_))));
}

#[test]
fn too_many_blobs_are_refused() {
    let list = |images: usize, blobs: usize, are_shared: bool| {
        let images: Vec<_> = (0..images)
            .map(|image| {
                let owner = if are_shared { 0 } else { image };
                let blob = |number| (of(&format!("blob {number} of {owner}")), 900);
                let name = format!("r.example/x{image}:1");
                let blobs = (0..blobs).map(blob).collect();
                (name.clone(), LockedImage { blobs, ..locked(&name, &[]) })
            })
            .collect();
        ImageList::of(images.iter().map(|(name, image)| (pinned(name, image), image)))
    };
    assert!(list(2, 1_000, false).is_ok());
    let error = list(3, 667, false).unwrap_err();
    assert_eq!(error.to_string(), "2001 configs and layers, at most 2000");
    assert!(list(4, 1_000, true).is_ok());
    let error = list(31, 130, true).unwrap_err();
    let said = "4030 configs and layers in all images together, at most 4000";
    assert_eq!(error.to_string(), said);
}

#[test]
fn index_names_each_image_by_tag_and_by_digest() {
    let index: serde_json::Value = serde_json::from_slice(&layout::index(&list())).unwrap();
    let names: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["annotations"]["io.containerd.image.name"].as_str().unwrap())
        .collect();
    let [relay, redis] = ["relay", "redis"].map(of);
    assert_eq!(
        names,
        [
            "docker.io/library/redis:8",
            &format!("docker.io/library/redis@sha256:{redis}"),
            "r.example/relay:1",
            &format!("r.example/relay@sha256:{relay}"),
        ]
    );
    assert_eq!(layout::OCI_LAYOUT_BYTES.len(), 30);
}
