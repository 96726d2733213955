//! Signed lists of images that are invalid, and archives that do not match a valid list.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relay_bundle::model::digest::Digest;
use relay_bundle::trust::refusal::Refusal;
use serde_json::{Value, json};

use super::carried::image::{Format, Image};
use super::carried::{Images, bundle_of, locked, path_of, tiny_bundle};
use super::world::{ACCEPTED, Content, code_of, key, verify_by_key};

const LIST: &str = "images.json";

/// The bundle and its images before a test makes them hostile.
fn good() -> Content {
    Content::of_files(&tiny_bundle(), Images::tiny().layout())
}

/// Signs the bundle in its current state with the trusted key, and verifies it.
fn outcome(mut content: Content) -> Outcome {
    content.list();
    let statement = content.statement_like(&good().statement());
    verify_by_key(&content.signed(&statement, &[&key(1)]), &key(1)).map(|_| ())
}

/// Changes the text of `images.json`.
fn with_list(edit: &dyn Fn(&str) -> String) -> Content {
    let mut content = good();
    let old = String::from_utf8(content.files[LIST].clone()).unwrap();
    let new = edit(&old);
    assert_ne!(old, new, "the list stays as it was");
    content.files.insert(LIST.to_owned(), new.into_bytes());
    content
}

/// Changes the document of `images.json`, and keeps it canonical.
fn with_document(edit: &dyn Fn(&mut Value)) -> Content {
    with_list(&|text| {
        let mut document: Value = serde_json::from_str(text).unwrap();
        edit(&mut document);
        document.to_string()
    })
}

type Edit<'a> = (&'a str, &'a dyn Fn(&mut Value), &'a str);
type Outcome = Result<(), Refusal>;

#[test]
fn good_list_with_all_some_and_no_images_is_accepted() {
    let images = Images::tiny();
    let blobs: Vec<Digest> = images.list.blobs().map(|(digest, _)| digest).collect();
    let mut accepted = 0;
    for absent in 0..1_usize << blobs.len() {
        let left_out: Vec<Digest> = blobs
            .iter()
            .enumerate()
            .filter(|(at, _)| absent >> at & 1 == 1)
            .map(|(_, blob)| *blob)
            .collect();
        let layout = if left_out.len() == blobs.len() {
            Vec::new()
        } else {
            images.layout_without(&left_out)
        };

        assert_eq!(code_of(&outcome(Content { layout, ..good() })), ACCEPTED, "{left_out:?}");
        accepted += 1;
    }
    assert_eq!(accepted, 8);
}

/// Makes each edit, and checks that the signed result is refused for its own reason.
#[track_caller]
fn are_refused(
    documents: &str,
    table: &[Edit<'_>],
    outcome: impl Fn(&dyn Fn(&mut Value)) -> Outcome,
) {
    for (what, edit, why) in table {
        let refusal = outcome(edit).expect_err(what);

        assert_eq!(refusal.reason.code(), "CONTENT_MISMATCH", "{what}: {refusal}");
        assert!(refusal.to_string().contains(why), "{what}: {refusal}");
    }
    let line = format!("signed hostile {documents}: {} refused", table.len());
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

#[test]
fn inconsistent_list_is_refused_for_any_signer() {
    let manifest = Images::tiny().manifest();
    let other = Digest::of(b"other");
    let entry = |digest: &Digest| json!({"digest": format!("sha256:{digest}"), "size": 7});
    let blob = |document: &Value| document["blobs"][0]["digest"].clone();
    let table: [Edit<'_>; 17] = [
        ("another format", &|list| list["format"] = json!(2), "format 2"),
        (
            "no format",
            &|list| drop(list.as_object_mut().unwrap().remove("format")),
            "missing field",
        ),
        ("an unknown key", &|list| list["extra"] = json!(1), "unknown field"),
        ("no images", &|list| list["images"] = json!([]), "no image"),
        ("no blobs", &|list| list["blobs"] = json!([]), "is not listed"),
        ("no manifests", &|list| list["manifests"] = json!([]), "is not listed"),
        ("a blob of no image", &|list| push(list, "blobs", entry(&other)), "belongs to no image"),
        (
            "a manifest of no image",
            &|list| {
                let mut one = list["manifests"][0].clone();
                one["digest"] = json!(format!("sha256:{other}"));
                push(list, "manifests", one);
            },
            "belongs to no image",
        ),
        (
            "a blob that is listed as a manifest",
            &|list| {
                let mut one = list["manifests"][0].clone();
                one["digest"] = blob(list);
                push(list, "manifests", one);
            },
            "belongs to no image",
        ),
        (
            "a manifest that is listed as a blob",
            &|list| {
                push(list, "blobs", entry(&manifest));
                push(&mut list["images"][0], "blobs", json!(format!("sha256:{manifest}")));
            },
            "is listed as a manifest and as a config or layer",
        ),
        ("a blob twice", &|list| push_front(list, "blobs"), "canonical form"),
        ("an image twice", &|list| push_front(list, "images"), "canonical form"),
        ("a manifest twice", &|list| push_front(list, "manifests"), "canonical form"),
        (
            "a blob of an image twice",
            &|list| push_front(&mut list["images"][0], "blobs"),
            "canonical form",
        ),
        (
            "blobs that fall",
            &|list| list["blobs"].as_array_mut().unwrap().reverse(),
            "canonical form",
        ),
        (
            "blobs of an image that fall",
            &|list| list["images"][0]["blobs"].as_array_mut().unwrap().reverse(),
            "canonical form",
        ),
        (
            "an image that lacks a blob",
            &|list| {
                list["images"][0]["blobs"].as_array_mut().unwrap().pop();
            },
            "belongs to no image",
        ),
    ];
    are_refused("lists", &table, |edit| outcome(with_document(edit)));
}

#[test]
fn list_with_hostile_names_and_sizes_is_refused_for_any_signer() {
    let other = Digest::of(b"other");
    let table: [Edit<'_>; 10] = [
        (
            "an image with a digest of its own",
            &|list| {
                list["images"][0]["digest"] = json!(format!("sha256:{other}"));
            },
            "is not pinned to",
        ),
        (
            "a reference without a digest",
            &|list| {
                let name = list["images"][0]["reference"]
                    .as_str()
                    .unwrap()
                    .split('@')
                    .next()
                    .unwrap()
                    .to_owned();
                list["images"][0]["reference"] = json!(name);
            },
            "is not pinned to",
        ),
        (
            "a reference outside the grammar",
            &|list| {
                let name = list["images"][0]["reference"].as_str().unwrap().to_uppercase();
                list["images"][0]["reference"] = json!(name);
            },
            LIST,
        ),
        (
            "an image that the manifests do not run",
            &|list| {
                let mut image = list["images"][0].clone();
                let name = image["reference"].as_str().unwrap().replace("ghcr.io", "quay.io");
                image["reference"] = json!(name);
                push(list, "images", image);
            },
            "and the manifests list different images",
        ),
        (
            "another name of the image",
            &|list| {
                let name = list["images"][0]["reference"].as_str().unwrap().replace("v1", "v2");
                list["images"][0]["reference"] = json!(name);
            },
            "and the manifests list different images",
        ),
        ("a blob of no bytes", &|list| list["blobs"][0]["size"] = json!(0), "has 0 bytes"),
        ("a negative size", &|list| list["blobs"][0]["size"] = json!(-1), "invalid value"),
        ("a broken size", &|list| list["blobs"][0]["size"] = json!(1.5), "floating point"),
        (
            "a manifest that is an index",
            &|list| list["manifests"][0]["mediaType"] = json!(Format::Oci.index()),
            "not have the media type of an image manifest",
        ),
        (
            "digests without sha256",
            &|list| {
                list["blobs"][0]["digest"] = json!(other.to_string());
            },
            LIST,
        ),
    ];
    are_refused("lists", &table, |edit| outcome(with_document(edit)));
}

fn push(list: &mut Value, key: &str, item: Value) {
    let items = list[key].as_array_mut().unwrap();
    items.push(item);
    items.sort_by_key(|item| item["digest"].as_str().or(item.as_str()).map(str::to_owned));
    if key == "images" {
        items.sort_by_key(|item| item["reference"].to_string());
    }
}

fn push_front(list: &mut Value, key: &str) {
    let items = list[key].as_array_mut().unwrap();
    items.insert(0, items[0].clone());
}

#[test]
fn list_in_another_spelling_is_refused_whoever_signed_it() {
    type Spelling = fn(&str) -> String;
    let table: [(&str, Spelling); 9] = [
        ("a newline behind", |text| format!("{text}\n")),
        ("a space", |text| text.replacen(':', ": ", 1)),
        ("a byte order mark", |text| format!("\u{feff}{text}")),
        ("an escape", |text| text.replacen("digest", "\\u0064igest", 1)),
        ("keys in another order", |text| {
            text.replacen("\"format\":1,", "", 1).replacen('{', "{\"format\":1,", 1)
        }),
        ("a key twice", |text| text.replacen("\"format\":1", "\"format\":1,\"format\":1", 1)),
        ("digits in capitals", |text| {
            let at = text.find("sha256:").unwrap() + 7;
            format!("{}{}{}", &text[..at], text[at..at + 64].to_uppercase(), &text[at + 64..])
        }),
        ("an exponent", |text| text.replacen("\"size\":1}", "\"size\":1e0}", 1)),
        ("a fraction", |text| text.replacen("\"size\":1}", "\"size\":1.0}", 1)),
    ];
    for (what, edit) in table {
        let refusal = outcome(with_list(&edit)).expect_err(what);

        assert_eq!(refusal.reason.code(), "CONTENT_MISMATCH", "{what}: {refusal}");
    }
    for (what, list, code) in [
        ("nothing", Vec::new(), "CONTENT_MISMATCH"),
        ("no text", vec![0xff; 10], "CONTENT_MISMATCH"),
        ("a bomb", vec![b'['; 1 << 20], "CONTENT_MISMATCH"),
        ("more than 1 MiB", vec![b' '; (1 << 20) + 1], "TOO_LARGE"),
    ] {
        let mut content = good();
        content.files.insert(LIST.to_owned(), list);

        assert_eq!(code_of(&outcome(content)), code, "{what}");
    }
}

/// Returns this number of digests, rising.
fn digests(number: usize) -> impl Iterator<Item = String> {
    (1..=number).map(|number| format!("sha256:{number:064x}"))
}

/// Returns the image of a list, under this number of names.
fn copies(list: &Value, number: usize) -> Value {
    let image = &list["images"][0];
    let name = image["reference"].as_str().unwrap();
    let of = |number: usize| {
        let mut image = image.clone();
        image["reference"] = json!(name.replace("ghcr.io", &format!("r{number:02}.example")));
        image
    };
    (0..number).map(of).collect()
}

/// Lists 64 images with this number of blobs each.
fn with_blobs_of_each(list: &mut Value, number: usize) {
    list["blobs"] = digests(number).map(|digest| json!({"digest": digest, "size": 1})).collect();
    list["images"][0]["blobs"] = digests(number).collect();
    list["images"] = copies(list, 64);
}

#[test]
fn list_over_limit_is_refused_for_any_signer() {
    let blobs = |number: usize| {
        with_document(&|list| {
            list["blobs"] =
                digests(number).map(|digest| json!({"digest": digest, "size": 1})).collect();
            list["images"][0]["blobs"] = digests(number).collect();
        })
    };
    let images = |number: usize| with_document(&|list| list["images"] = copies(list, number));
    for (what, content, why) in [
        ("2,001 blobs", blobs(2_001), "2001 configs and layers, at most 2000"),
        ("65 images", images(65), "65 images, at most 64"),
        (
            "4,032 blobs of all images",
            with_document(&|list| with_blobs_of_each(list, 63)),
            "4032 configs and layers in all images together, at most 4000",
        ),
        (
            "a blob of 8 GiB",
            with_document(&|list| list["blobs"][0]["size"] = json!(8_u64 << 30)),
            "1 to 8589934591",
        ),
        (
            "a manifest over 4 MiB",
            with_document(&|list| list["manifests"][0]["size"] = json!((4 << 20) + 1)),
            "1 to 4194304",
        ),
        (
            "65 images without a reference",
            with_document(&|list| {
                let image = list["images"][0].clone();
                list["images"] = (0..65).map(|_| image.clone()).collect();
                list["images"][0]["reference"] = json!("");
            }),
            "65 images, at most 64",
        ),
    ] {
        let refusal = outcome(content).expect_err(what);

        assert_eq!(refusal.reason.code(), "TOO_LARGE", "{what}: {refusal}");
        assert!(refusal.to_string().contains(why), "{what}: {refusal}");
    }
    // Within the limits, only the difference from the bundle is reported.
    for (content, why) in [
        (blobs(2_000), "which is not listed for it"),
        (images(64), "and the manifests list different images"),
    ] {
        let refusal = outcome(content).unwrap_err();

        assert!(refusal.to_string().contains(why), "{refusal}");
    }
}

/// Builds and signs a bundle whose image has these bytes as its manifest; the list describes it as
/// the original image.
fn with_manifest(format: Format, bytes: Vec<u8>) -> Outcome {
    let mut image = Image::tiny(format);
    image.manifest = super::carried::image::Content::new(image.manifest.media_type, bytes);
    let images = Images::of(&[(super::carried::SOURCE, &image)]);
    outcome(Content::of_files(&bundle_of(locked(&image)), images.layout()))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn manifest_with_two_readings_is_refused_whoever_signed_it() {
    let data = |text: &str| json!(STANDARD.encode(text));
    let table: [Edit<'_>; 23] = [
        ("schema 1", &|manifest| manifest["schemaVersion"] = json!(1), "schemaVersion"),
        (
            "no schema",
            &|manifest| drop(manifest.as_object_mut().unwrap().remove("schemaVersion")),
            "schemaVersion",
        ),
        ("layers of schema 1", &|manifest| manifest["fsLayers"] = json!([]), "fsLayers"),
        ("manifests beside layers", &|manifest| manifest["manifests"] = json!([]), "manifests"),
        ("blobs beside layers", &|manifest| manifest["blobs"] = json!([]), "blobs"),
        (
            "another media type inside",
            &|manifest| manifest["mediaType"] = json!(Format::Docker.manifest()),
            "mediaType",
        ),
        (
            "an index inside",
            &|manifest| manifest["mediaType"] = json!(Format::Oci.index()),
            "mediaType",
        ),
        (
            "no config",
            &|manifest| drop(manifest.as_object_mut().unwrap().remove("config")),
            "config",
        ),
        (
            "no layers",
            &|manifest| drop(manifest.as_object_mut().unwrap().remove("layers")),
            "layers",
        ),
        ("layers that are an object", &|manifest| manifest["layers"] = json!({}), "layers"),
        (
            "a key that differs in case",
            &|manifest| manifest["Layers"] = json!([]),
            "duplicate key `layers` (ignoring case)",
        ),
        (
            "a config that differs in case",
            &|manifest| manifest["CONFIG"] = json!({}),
            "duplicate key `config` (ignoring case)",
        ),
        (
            "a digest that differs in case",
            &|manifest| manifest["layers"][0]["Digest"] = json!("x"),
            "duplicate key `digest` (ignoring case)",
        ),
        (
            "a layer that is elsewhere",
            &|manifest| manifest["layers"][0]["urls"] = json!(["https://x.example"]),
            "urls",
        ),
        (
            "a foreign layer",
            &|manifest| {
                let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
                manifest["layers"][0]["mediaType"] = json!(foreign);
            },
            "foreign",
        ),
        (
            "a layer that is not handed out",
            &|manifest| {
                let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
                manifest["layers"][0]["mediaType"] = json!(foreign);
            },
            "foreign",
        ),
        (
            "other data than the digest",
            &|manifest| manifest["layers"][0]["data"] = data("x"),
            "data",
        ),
        ("a layer of no bytes", &|manifest| manifest["layers"][0]["size"] = json!(0), "size"),
        (
            "a layer of another size",
            &|manifest| manifest["layers"][0]["size"] = json!(2),
            "not listed for it",
        ),
        (
            "another digest function",
            &|manifest| {
                manifest["layers"][0]["digest"] = json!(format!("sha512:{}", "a".repeat(128)));
            },
            "digest",
        ),
        (
            "a layer that is not listed",
            &|manifest| {
                let layer = manifest["layers"][0].clone();
                push(manifest, "layers", layer);
                manifest["layers"][2]["digest"] = json!(format!("sha256:{}", Digest::of(b"other")));
            },
            "not listed for it",
        ),
        (
            "fewer layers than are listed",
            &|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop()),
            "fewer configs and layers than are listed",
        ),
        ("a list in place of an object", &|manifest| *manifest = json!([]), "manifest"),
    ];
    are_refused("manifests", &table, |edit| {
        let mut manifest: Value =
            serde_json::from_slice(&Image::tiny(Format::Oci).manifest.bytes).unwrap();
        edit(&mut manifest);
        with_manifest(Format::Oci, manifest.to_string().into_bytes())
    });
}

#[test]
fn noncanonical_manifest_is_accepted_but_duplicate_key_refused() {
    for format in Format::ALL {
        let text = String::from_utf8(Image::tiny(format).manifest.bytes).unwrap();
        let pretty =
            serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
        assert_eq!(code_of(&with_manifest(format, text.clone().into_bytes())), ACCEPTED);
        assert_eq!(code_of(&with_manifest(format, pretty.into_bytes())), ACCEPTED);

        for key in
            ["\"layers\":", "\"config\":", "\"schemaVersion\":", "\"mediaType\":", "\"size\":"]
        {
            let value = text.split(key).nth(1).unwrap().chars().next().unwrap();
            let empty = match value {
                '[' => "[]",
                '{' => "{}",
                '"' => "\"\"",
                _ => "1",
            };
            let twice = text.replacen(key, &format!("{key}{empty},{key}"), 1);

            assert_eq!(
                code_of(&with_manifest(format, twice.into_bytes())),
                "CONTENT_MISMATCH",
                "{key}"
            );
        }
    }
    for bytes in [&b"null"[..], b"\"\"", b"\xff", b"{}", b"{}{}", &vec![b'['; 100_000]] {
        assert_eq!(code_of(&with_manifest(Format::Oci, bytes.to_vec())), "CONTENT_MISMATCH");
    }
}

#[test]
fn each_fault_in_archive_content_has_its_code() {
    type Edit<'a> = &'a dyn Fn(&mut Vec<(String, Vec<u8>)>);
    let manifest = path_of(&Images::tiny().manifest());
    let at = |layout: &[(String, Vec<u8>)], name: &str| {
        layout.iter().position(|file| file.0 == name).unwrap()
    };
    let table: [(&str, Edit<'_>, &str); 12] = [
        ("another oci-layout", &|layout| layout[0].1[0] ^= 1, "BAD_FORM"),
        ("another index", &|layout| layout[1].1[0] ^= 1, "BAD_FORM"),
        ("an index of another size", &|layout| layout[1].1.push(0), "BAD_FORM"),
        ("no index", &|layout| layout.truncate(1), "MISSING_FILE"),
        ("no oci-layout", &|layout| drop(layout.remove(0)), "EXTRA_FILE"),
        ("no manifest", &|layout| layout.retain(|(name, _)| *name != manifest), "MISSING_FILE"),
        (
            "nothing but the manifest",
            &|layout| layout.retain(|(name, _)| *name == manifest || !name.contains('/')),
            "BAD_FORM",
        ),
        (
            "an altered blob",
            &|layout| {
                let blob = path_of(&Digest::of(b"a"));
                let place = at(layout, &blob);
                layout[place].1[0] ^= 1;
            },
            "TAMPERED",
        ),
        (
            "a blob of another size",
            &|layout| {
                let blob = path_of(&Digest::of(b"a"));
                let place = at(layout, &blob);
                layout[place].1.push(0);
            },
            "TAMPERED",
        ),
        (
            "an altered manifest",
            &|layout| {
                let place = at(layout, &manifest);
                layout[place].1.reverse();
            },
            "TAMPERED",
        ),
        (
            "a blob that is not listed",
            &|layout| layout.push((path_of(&Digest::of(b"x")), b"x".to_vec())),
            "EXTRA_FILE",
        ),
        ("a file behind", &|layout| layout.push(("zzz".to_owned(), Vec::new())), "EXTRA_FILE"),
    ];
    for (what, edit, code) in table {
        let mut content = good();
        edit(&mut content.layout);

        assert_eq!(code_of(&outcome(content)), code, "{what}");
    }
}
