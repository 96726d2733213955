//! `push` into real registries.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::oci::proxy::Proxy;
use crate::oci::registry::{Access, Program, Registry, Untagged};
use crate::site::carried::image::{Image, Layer};
use crate::site::carried::{self, Images, image_of};
use crate::site::{RELAY_REPOSITORY, SIDE_REPOSITORY, Site};

/// Two images that share a layer.
pub(crate) fn pair() -> [Image; 2] {
    [image_of(&[b"shared", b"of the relay"]), image_of(&[b"shared", b"of the side"])]
}

/// Starts a registry and makes a site whose manifests name it.
pub(crate) fn site_of(program: Program, access: Access) -> Option<(Registry, Site)> {
    let registry = Registry::start(program, access)?;
    let mut site = Site::new(&registry.address);
    if access != Access::Plain {
        registry.write_credentials(site.file("auth.json").as_std_path());
        let ca = registry.ca_folder().join("ca.crt").display().to_string();
        site.options = ["--registry-config", "auth.json", "--ca", &ca].map(str::to_owned).into();
    }
    Some((registry, site))
}

/// Starts a registry behind a proxy, which the site's manifests name.
pub(crate) fn site_behind_proxy(program: Program) -> Option<(Registry, Proxy, Site)> {
    let registry = Registry::start(program, Access::Plain)?;
    let proxy = Proxy::start(&registry.address);
    let site = Site::new(&proxy.address);
    Some((registry, proxy, site))
}

/// Returns true if the registry has an image with all its configs and layers.
pub(crate) fn is_whole(registry: &Registry, repository: &str, image: &Image) -> bool {
    let has = |path: String| registry.call("HEAD", repository, &path, None).status == 200;
    registry.digest(repository, &image.manifest.digest).is_some()
        && image.blobs.iter().all(|blob| has(format!("blobs/{}", blob.digest)))
}

/// Returns true if a repository has none of these images' content.
pub(crate) fn has_nothing(registry: &Registry, repository: &str, images: &Images) -> bool {
    let mut paths = images.contents.keys().map(|digest| format!("blobs/sha256:{digest}"));
    paths.all(|path| registry.call("HEAD", repository, &path, None).status == 404)
}

fn fills_registry(program: Program, access: Access) {
    let Some((registry, site)) = site_of(program, access) else { return };
    let [relay, extra] = pair();
    site.build(&[&relay, &extra], "all.tar", "all");

    let report = site.pushed("all.tar", &[]);

    assert_eq!(report["schema"], "relay-bundle/push/v1");
    // Three of the side, two of the relay, and the shared one.
    assert_eq!(
        (&report["sent"], &report["mounted"], &report["there"]),
        (&5.into(), &1.into(), &0.into())
    );
    for (repository, tag, image) in
        [(RELAY_REPOSITORY, "v1.1.314", &relay), (SIDE_REPOSITORY, "1", &extra)]
    {
        assert!(is_whole(&registry, repository, image), "{repository}");
        assert_eq!(registry.digest(repository, tag).as_ref(), Some(&image.manifest.digest));
    }
    if let Some(tokens) = registry.tokens() {
        let scopes: BTreeSet<String> = tokens.scopes().into_iter().collect();
        for scope in
            ["repository:acme/side:pull", "repository:wei-shaw/claude-relay-service:pull,push"]
        {
            assert!(scopes.contains(scope), "{scopes:?}");
        }
    }
    let again = site.pushed("all.tar", &["--deep"]);
    assert_eq!(
        (&again["sent"], &again["mounted"], &again["there"]),
        (&0.into(), &0.into(), &6.into())
    );
}

#[test]
fn push_fills_docker_registry_plain() {
    fills_registry(Program::DockerRegistry, Access::Plain);
}

#[test]
fn push_fills_docker_registry_basic() {
    fills_registry(Program::DockerRegistry, Access::Basic);
}

#[test]
fn push_fills_docker_registry_bearer() {
    fills_registry(Program::DockerRegistry, Access::Bearer);
}

#[test]
fn push_fills_distribution_plain() {
    fills_registry(Program::Distribution, Access::Plain);
}

#[test]
fn push_fills_distribution_basic() {
    fills_registry(Program::Distribution, Access::Basic);
}

#[test]
fn push_fills_distribution_bearer() {
    fills_registry(Program::Distribution, Access::Bearer);
}

/// Returns the writing requests.
pub(crate) fn writes(proxy: &Proxy) -> Vec<String> {
    let requests = proxy.requests().into_iter();
    requests
        .filter(|request| !request.starts_with("GET ") && !request.starts_with("HEAD "))
        .collect()
}

#[test]
fn second_push_only_asks() {
    for program in Program::ALL {
        let Some((_registry, proxy, site)) = site_behind_proxy(program) else { return };
        site.build(&[&image_of(&[b"a", b"b"])], "all.tar", "all");
        site.pushed("all.tar", &[]);
        proxy.release();

        let report = site.pushed("all.tar", &[]);

        assert_eq!((&report["sent"], &report["there"]), (&0.into(), &3.into()));
        // The requests: the protocol, the tag's digest, and the manifest.
        assert_eq!((proxy.requests().len(), writes(&proxy)), (3, vec![]), "{:?}", proxy.requests());
    }
}

#[test]
fn first_push_takes_three_requests_per_blob_plus_seven() {
    for program in Program::ALL {
        let Some((_registry, proxy, site)) = site_behind_proxy(program) else { return };
        site.build(&[&image_of(&[b"a", b"b"])], "all.tar", "all");
        site.pushed("all.tar", &[]);
        // One request finds out whether the loopback server speaks TLS.
        assert_eq!(proxy.requests().len(), 3 * 3 + 7 + 1, "{:#?}", proxy.requests());
    }
}

#[test]
fn large_layer_arrives_whole() {
    for program in Program::ALL {
        let Some((registry, site)) = site_of(program, Access::Basic) else { return };
        let image = Image::of_layers(
            carried::image::Format::Oci,
            carried::image::AMD64,
            vec![Layer::large(16 << 20)],
        );
        site.build(&[&image], "all.tar", "all");
        let report = site.pushed("all.tar", &[]);
        assert!(report["sentBytes"].as_u64().unwrap() > 16 << 20);
        assert!(is_whole(&registry, RELAY_REPOSITORY, &image), "{program:?}");
    }
}

#[test]
fn delta_to_empty_registry_uploads_nothing() {
    let Some((_registry, proxy, site)) = site_behind_proxy(Program::Distribution) else { return };
    site.build(&[&image_of(&[b"old", b"kept"])], "old.tar", "all");
    let image = image_of(&[b"new", b"kept"]);
    site.build(&[&image], "delta.tar", "since:old.tar");

    let ended = site.push("delta.tar", &[]);

    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let reasons = ended.json()["reasons"].to_string();
    let kept = &image.blobs[2].digest;
    for wanted in [kept.as_str(), "wei-shaw/claude-relay-service:v1.1.314@sha256:", "4 bytes"] {
        assert!(reasons.contains(wanted), "{wanted}: {reasons}");
    }
    assert_eq!(writes(&proxy), Vec::<String>::new());
}

#[test]
fn delta_after_its_base_sends_what_is_new() {
    for program in Program::ALL {
        let Some((registry, site)) = site_of(program, Access::Plain) else { return };
        let (old, new) = (image_of(&[b"old", b"kept"]), image_of(&[b"new", b"kept"]));
        site.build(&[&old], "old.tar", "all");
        site.build(&[&new], "delta.tar", "since:old.tar");
        site.pushed("old.tar", &[]);

        let report = site.pushed("delta.tar", &[]);

        // Its config and a layer.
        assert_eq!((&report["sent"], &report["there"]), (&2.into(), &1.into()));
        assert!(
            is_whole(&registry, RELAY_REPOSITORY, &new)
                && is_whole(&registry, RELAY_REPOSITORY, &old)
        );
    }
}

#[test]
fn delta_takes_layers_from_another_repository() {
    for program in Program::ALL {
        let Some((registry, proxy, site)) = site_behind_proxy(program) else { return };
        let (relay, extra) = (image_of(&[b"relay", b"shared"]), image_of(&[b"shared"]));
        site.build(&[&relay], "base.tar", "all");
        site.build(&[&relay, &extra], "delta.tar", "since:base.tar");
        site.pushed("base.tar", &[]);
        let (shared, forecast) = (&extra.blobs[1].digest, site.pushed("delta.tar", &["--dry-run"]));
        assert_eq!((&forecast["mounted"], &forecast["dryRun"]), (&1.into(), &true.into()));
        proxy.release();

        let report = site.pushed("delta.tar", &[]);

        assert_eq!((&report["sent"], &report["mounted"]), (&1.into(), &1.into()));
        assert!(is_whole(&registry, SIDE_REPOSITORY, &extra), "{program:?}");
        let mounts = writes(&proxy)
            .into_iter()
            .filter(|request| request.contains(&format!("mount={shared}")));
        assert_eq!(mounts.count(), 1);
    }
}

#[test]
fn dry_run_only_asks() {
    let Some((registry, proxy, site)) = site_behind_proxy(Program::DockerRegistry) else { return };
    let images = site.build(&[&image_of(&[b"a"])], "all.tar", "all");
    let report = site.pushed("all.tar", &["--dry-run"]);
    assert_eq!((&report["sent"], &report["images"][0]["tagState"]), (&2.into(), &"set".into()));
    assert_eq!(writes(&proxy), Vec::<String>::new());
    assert!(has_nothing(&registry, RELAY_REPOSITORY, &images));
}

/// Pushes two generations with one tag, collects garbage, and returns whether both are whole.
fn generations_after_collection(program: Program, options: &[&str]) -> Option<(Value, String)> {
    let (registry, site) = site_of(program, Access::Plain)?;
    let (old, new) = (image_of(&[b"old"]), image_of(&[b"new"]));
    site.build(&[&old], "old.tar", "all");
    site.build(&[&new], "new.tar", "all");
    site.pushed("old.tar", &[]);
    let report = site.pushed("new.tar", options);
    registry.collect_garbage(Untagged::Delete);
    for image in [&old, &new] {
        assert!(is_whole(&registry, RELAY_REPOSITORY, image), "{program:?} {options:?}");
    }
    let named = registry.digest(RELAY_REPOSITORY, "v1.1.314").unwrap();
    Some((report, if named == old.manifest.digest { "old".to_owned() } else { "new".to_owned() }))
}

#[test]
fn old_generation_survives_gc_when_its_tag_stays() {
    for program in Program::ALL {
        let Some((report, named)) = generations_after_collection(program, &[]) else { return };
        assert_eq!((&report["images"][0]["tagState"], named.as_str()), (&"left".into(), "old"));
        let keeper = report["images"][0]["keptBy"].as_str().unwrap();
        assert!(
            keeper.starts_with("v1.1.314-") && keeper.len() == "v1.1.314-".len() + 12,
            "{keeper}"
        );
    }
}

#[test]
fn old_generation_survives_gc_when_its_tag_moves() {
    for program in Program::ALL {
        let Some((report, named)) = generations_after_collection(program, &["--move-tags"]) else {
            return;
        };
        assert_eq!((&report["images"][0]["tagState"], named.as_str()), (&"moved".into(), "new"));
    }
}

#[test]
fn parts_and_entries_are_pushed_like_archive() {
    let Some((registry, site)) = site_of(Program::Distribution, Access::Plain) else { return };
    let image = image_of(&[&vec![1; 1_500_000], &vec![2; 1_500_000]]);
    site.build(&[&image], "all.tar", "all");
    assert_eq!(site.run(&["split", "all.tar", "--size", "1MB"]).code, 0);
    for (bundle, prefix) in [("all.tar.parts", "parts"), ("@tiny", "entry")] {
        let target = format!("{}/{prefix}", registry.address);
        site.pushed(bundle, &["--registry", &target]);
        assert!(is_whole(&registry, &format!("{prefix}/{RELAY_REPOSITORY}"), &image), "{bundle}");
    }
}

#[test]
fn lost_layer_is_found_with_deep_only() {
    for program in Program::ALL {
        let Some((registry, site)) = site_of(program, Access::Plain) else { return };
        let image = image_of(&[b"a", b"lost"]);
        site.build(&[&image], "all.tar", "all");
        site.pushed("all.tar", &[]);
        registry.delete_blob(RELAY_REPOSITORY, &image.blobs[2].digest);

        assert_eq!(site.pushed("all.tar", &[])["sent"], 0);
        assert_eq!(site.pushed("all.tar", &["--deep"])["sent"], 1);
        assert!(is_whole(&registry, RELAY_REPOSITORY, &image), "{program:?}");
    }
}
