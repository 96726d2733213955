//! Follows images as docs/images.md describes, from a tag in an upstream registry to a rollback
//! inside the gap.
//!
//! | connected side | inside the gap |
//! |---|---|
//! | `lock`, `fetch`, `build --images all`, `split` | |
//! | | `join`, `verify`, `push`, `apply` |
//! | the tag moves: `lock --update`, `fetch`, `build --images since:` | |
//! | | `verify`, `push`, `apply`, `rollback` |
//!
//! Only files cross the gap: the operator has a separate folder, and the upstream registry is
//! stopped for the second half.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::oci::image::{AMD64, Format, Image, Layer};
use crate::oci::proxy::Proxy;
use crate::oci::registry::{Access, Program, Registry, Untagged};
use crate::site::{Ran, Site, run, write_trusted};

const NAMESPACE: &str = "whole-way";
const RELAY: &str = "wei-shaw/claude-relay-service";
const TAG: &str = "v1.1.314";
/// The size of a layer that exceeds one part.
const LARGE_BYTES: usize = 1_200_000;

/// The connected side: a folder, and the source registry of the images.
struct Builder {
    folder: Utf8PathBuf,
    upstream: Registry,
}

/// The side inside the gap: a separate folder, a cluster, and the site's registry.
struct Operator {
    site: Site,
    registry: Registry,
    /// The proxy of the registry, which the manifests name.
    proxy: Proxy,
}

/// Starts everything, and sets the site's registry in `dev`.
fn gap() -> Option<(Builder, Operator)> {
    let site = Site::new(NAMESPACE)?;
    let upstream = Registry::start(Program::DockerRegistry, Access::Plain)?;
    let registry = Registry::start(Program::Distribution, Access::Plain)?;
    let proxy = Proxy::start(&registry.address);
    let path = site.path().join("profiles/dev.toml");
    let profile = fs_err::read_to_string(&path).unwrap();
    let profile =
        profile.replace("namespace = \"relay-dev\"", &format!("namespace = \"{NAMESPACE}\""));
    // The profile's digest of Redis belongs to an image that the tests do not have.
    let more =
        format!("\n[images]\nregistry = \"{}\"\n\n[redis.image]\ndigest = \"\"\n", proxy.address);
    fs_err::write(path, profile + &more).unwrap();
    let (builder, operator) =
        (Builder { folder: site.path().to_owned(), upstream }, Operator { site, registry, proxy });
    fs_err::create_dir(operator.file("")).unwrap();
    let trust = fs_err::read_to_string(builder.folder.join("trust.toml")).unwrap();
    write_trusted(&operator.file("trust.toml"), &trust);
    Some((builder, operator))
}

impl Builder {
    #[track_caller]
    fn run(&self, line: &str) {
        let mirrors =
            ["ghcr.io", "docker.io"].map(|host| format!("{host}={}", self.upstream.address));
        let mirrors = mirrors.iter().flat_map(|mirror| ["--from", mirror]);
        let is_asked = line.starts_with("lock") || line.starts_with("fetch");
        let words: Vec<&str> = line.split(' ').chain(mirrors.filter(|_| is_asked)).collect();
        succeeded(&run(&self.folder, &words));
    }

    /// Copies files into the gap.
    fn carry(&self, prefix: &str, operator: &Operator) {
        for item in self.folder.read_dir_utf8().unwrap().map(Result::unwrap) {
            if item.file_name().starts_with(prefix) {
                fs_err::copy(item.path(), operator.file(item.file_name())).unwrap();
            }
        }
    }
}

impl Operator {
    fn file(&self, name: &str) -> Utf8PathBuf {
        self.site.path().join("inside").join(name)
    }

    fn run(&self, line: &str) -> Ran {
        let kubeconfig = ["--kubeconfig", self.site.plane.kubeconfig.to_str().unwrap()];
        let is_of_cluster = line.starts_with("apply") || line.starts_with("rollback");
        let cluster = kubeconfig.into_iter().filter(|_| is_of_cluster);
        run(&self.file(""), &line.split(' ').chain(cluster).collect::<Vec<_>>())
    }

    /// Runs a command, which must succeed, and returns its report.
    #[track_caller]
    fn report(&self, line: &str) -> Value {
        let ran = self.run(&format!("{line} --json"));
        succeeded(&ran);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Returns the digests of the uploaded configs and layers, and clears the recorded requests.
    fn uploaded(&self) -> BTreeSet<String> {
        let requests = self.proxy.requests();
        self.proxy.release();
        let uploads = requests.iter().filter(|request| request.starts_with("PUT ")).cloned();
        uploads
            .filter_map(|request| request.split_once("digest=").map(|(_, to)| to.to_owned()))
            .collect()
    }

    /// Returns each pod of the relay with its image.
    fn relay_pods(&self) -> BTreeSet<(String, String)> {
        let pods = self.site.plane.list(&self.site.namespace, "pods");
        let image =
            |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
        let pods = pods
            .iter()
            .map(|pod| (pod["metadata"]["uid"].as_str().unwrap().to_owned(), image(pod)));
        pods.filter(|(_, image)| image.contains(RELAY)).collect()
    }

    /// Asserts that every pod of the relay runs an image.
    #[track_caller]
    fn runs(&self, image: &Image) {
        self.site.await_leaving_pods();
        let wanted = format!("{}/{RELAY}:{TAG}@{}", self.proxy.address, image.manifest.digest);
        let images: BTreeSet<String> =
            self.relay_pods().into_iter().map(|(_, image)| image).collect();
        assert_eq!(images, [wanted].into());
    }

    /// Asserts that `apply` names a missing image and the command to push it, and changes nothing.
    #[track_caller]
    fn apply_is_blocked(&self, file: &str, image: &Image) {
        let before = (self.relay_pods(), self.site.versions());
        let ran = self.run(&format!("apply {file} --trust trust.toml --yes"));
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        for said in [
            &image.manifest.digest,
            "not in the registry",
            "relay-bundle push FILE --trust trust.toml",
        ] {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
        assert_eq!((self.relay_pods(), self.site.versions()), before);
    }
}

#[track_caller]
fn succeeded(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn image_of(layers: &[&[u8]]) -> Image {
    let layers = layers.iter().map(|bytes| Layer::opaque(Format::Oci, bytes)).collect();
    Image::of_layers(Format::Oci, AMD64, layers)
}

fn digests(images: &[&Image]) -> BTreeSet<String> {
    images.iter().flat_map(|image| &image.blobs).map(|blob| blob.digest.clone()).collect()
}

/// Removes all untagged manifests, and proves it with one of its own.
#[track_caller]
fn collect_garbage(registry: &Registry) {
    let stray = image_of(&[b"stray"]);
    stray.blobs.iter().for_each(|blob| registry.put_blob(RELAY, blob));
    registry.put_manifest(RELAY, &stray.manifest.digest, &stray.manifest);
    registry.collect_garbage(Untagged::Delete);
    assert_eq!(registry.digest(RELAY, &stray.manifest.digest), None);
}

#[test]
fn documented_image_workflow_runs_from_tag_to_rollback() {
    let Some((builder, operator)) = gap() else { return };
    let large = vec![7; LARGE_BYTES];
    let (old, new) = (image_of(&[&large, b"old"]), image_of(&[&large, b"new"]));
    let redis = image_of(&[b"redis"]);
    builder.upstream.push(RELAY, TAG, &old);
    builder.upstream.push("library/redis", "8.2.2", &redis);
    for line in [
        "lock dev",
        "fetch dev",
        "build dev --key key.pem --serial 1 --archive first.tar --images all",
        "pack first.tar base.tar --images none",
        "split first.tar --size 1MB",
    ] {
        builder.run(line);
    }
    builder.carry("first.tar.part", &operator);
    install(&operator, &old, &redis);
    builder.upstream.push(RELAY, TAG, &new);
    for line in [
        "lock --update ghcr.io/wei-shaw/claude-relay-service",
        "fetch dev",
        "build dev --key key.pem --serial 2 --archive delta.tar --images since:base.tar",
    ] {
        builder.run(line);
    }
    builder.carry("delta.tar", &operator);
    drop(builder.upstream);
    upgrade(&operator, &new);
    roll_back(&operator, &old);
}

/// Installs the full archive, which arrives in parts.
fn install(operator: &Operator, old: &Image, redis: &Image) {
    assert!(operator.file("first.tar.part002").exists() && !operator.file("first.tar").exists());
    succeeded(&operator.run("join first.tar.parts --out first.tar"));
    succeeded(&operator.run("verify first.tar --trust trust.toml --images all"));
    operator.apply_is_blocked("first.tar", old);

    let report = operator.report("push first.tar --trust trust.toml");

    assert_eq!((&report["sent"], &report["there"]), (&json!(5), &json!(0)));
    assert_eq!(operator.uploaded(), digests(&[old, redis]));
    operator.report("apply first.tar --trust trust.toml --yes");
    operator.runs(old);
}

/// Upgrades with the delta; its own tag protects the new image from garbage collection.
fn upgrade(operator: &Operator, new: &Image) {
    let missing = operator.run("verify delta.tar --trust trust.toml --images all");
    assert_eq!(missing.code, 1, "{}", missing.stderr);
    succeeded(&operator.run("verify delta.tar --trust trust.toml"));
    operator.apply_is_blocked("delta.tar", new);

    let report = operator.report("push delta.tar --trust trust.toml");

    // The config and one layer; the registry already has the large layer.
    let uploaded = [0, 2].map(|number| new.blobs[number].digest.clone());
    assert_eq!((&report["sent"], operator.uploaded()), (&json!(2), uploaded.into()));
    let pushed = report["images"].as_array().unwrap();
    let relay =
        pushed.iter().find(|image| image["reference"].as_str().unwrap().contains(RELAY)).unwrap();
    let keeper = format!("{TAG}-{}", &new.manifest.hex()[..12]);
    assert_eq!((&relay["tagState"], &relay["keptBy"]), (&json!("left"), &json!(keeper)));
    collect_garbage(&operator.registry);
    operator.report("apply delta.tar --trust trust.toml --yes");
    operator.runs(new);
}

/// Rolls back to the old image, which survived garbage collection because of its remaining tag.
fn roll_back(operator: &Operator, old: &Image) {
    let report = operator.report("rollback -n whole-way --trust trust.toml --yes");

    assert_eq!(report["contentOf"], 1);
    let images = report["images"].as_array().unwrap();
    assert!(images.len() == 2 && images.iter().all(|image| image["state"] == "there"), "{report}");
    operator.runs(old);
    assert_eq!(operator.uploaded(), BTreeSet::new());
}
