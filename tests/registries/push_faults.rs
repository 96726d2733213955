//! `push` under faults: killed, run twice, denied, or with a failing archive or registry.

use serde_json::Value;

use crate::oci::proxy::{Hold, Proxy};
use crate::oci::registry::{Access, Program, Registry};
use crate::push::{has_nothing, is_whole, pair, site_behind_proxy, site_of, writes};
use crate::site::carried::image_of;
use crate::site::{RELAY_REPOSITORY, SIDE_REPOSITORY, Site};

/// Kills a push at one request after the other, and pushes again.
fn killed(program: Program, hold: Hold) {
    let Some((registry, proxy, site)) = site_behind_proxy(program) else { return };
    let [relay, extra] = pair();
    site.build(&[&relay, &extra], "all.tar", "all");
    for number in 1.. {
        let prefix = format!("{}/n{number}", proxy.address);
        proxy.hold(number, hold);
        let mut push = site.begin_push("all.tar", &["--registry", &prefix]);
        while !proxy.is_holding() && push.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        if !proxy.is_holding() {
            assert!(push.wait().unwrap().success() && number > 20, "{number} requests");
            return;
        }
        push.kill().unwrap();
        push.wait().unwrap();
        proxy.release();

        let report = site.pushed("all.tar", &["--registry", &prefix, "--deep"]);

        assert_eq!(report["images"].as_array().unwrap().len(), 2);
        for (repository, tag, image) in
            [(RELAY_REPOSITORY, "v1.1.314", &relay), (SIDE_REPOSITORY, "1", &extra)]
        {
            let repository = format!("n{number}/{repository}");
            assert!(is_whole(&registry, &repository, image), "{program:?} {hold:?} {number}");
            assert_eq!(registry.digest(&repository, tag).as_ref(), Some(&image.manifest.digest));
        }
    }
}

#[test]
fn push_to_docker_registry_killed_before_any_request_converges() {
    killed(Program::DockerRegistry, Hold::Before);
}

#[test]
fn push_to_docker_registry_killed_after_any_request_converges() {
    killed(Program::DockerRegistry, Hold::After);
}

#[test]
fn push_to_distribution_killed_before_any_request_converges() {
    killed(Program::Distribution, Hold::Before);
}

#[test]
fn push_to_distribution_killed_after_any_request_converges() {
    killed(Program::Distribution, Hold::After);
}

#[test]
fn push_killed_mid_layer_converges() {
    for program in Program::ALL {
        let Some((registry, proxy, site)) = site_behind_proxy(program) else { return };
        let image = image_of(&[&vec![7; 8 << 20]]);
        site.build(&[&image], "all.tar", "all");
        let layer = format!("blobs/{}", image.blobs[1].digest);
        proxy.hold_body(3 << 20);
        let mut push = site.begin_push("all.tar", &[]);
        proxy.await_hold();
        push.kill().unwrap();
        push.wait().unwrap();
        proxy.release();
        assert_eq!(registry.call("HEAD", RELAY_REPOSITORY, &layer, None).status, 404);
        assert_eq!(registry.digest(RELAY_REPOSITORY, "v1.1.314"), None);

        site.pushed("all.tar", &[]);

        assert!(is_whole(&registry, RELAY_REPOSITORY, &image), "{program:?}");
        let stored = registry.call("GET", RELAY_REPOSITORY, &layer, None);
        assert!(stored.body == image.blobs[1].bytes, "{program:?}: {} bytes", stored.body.len());
        let tagged = registry.digest(RELAY_REPOSITORY, "v1.1.314");
        assert_eq!(tagged.as_ref(), Some(&image.manifest.digest));
    }
}

#[test]
fn two_concurrent_pushes_both_succeed() {
    for program in Program::ALL {
        let Some((registry, site)) = site_of(program, Access::Plain) else { return };
        let [relay, extra] = pair();
        site.build(&[&relay, &extra], "all.tar", "all");
        let pushes = [site.begin_push("all.tar", &[]), site.begin_push("all.tar", &[])];
        for push in pushes {
            let output = push.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(is_whole(&registry, RELAY_REPOSITORY, &relay), "{program:?}");
        assert!(is_whole(&registry, SIDE_REPOSITORY, &extra), "{program:?}");
    }
}

#[test]
fn archive_altered_between_passes_is_refused() {
    for layer in [2 << 20, 100] {
        let Some((registry, proxy, site)) = site_behind_proxy(Program::Distribution) else {
            return;
        };
        let image = image_of(&[&vec![7; layer]]);
        site.build(&[&image], "all.tar", "all");
        proxy.hold(3, Hold::Before);
        let push = site.begin_push("all.tar", &[]);
        proxy.await_hold();
        let path = site.file("all.tar");
        let mut bytes = fs_err::read(&path).unwrap();
        let at = bytes.windows(100).rposition(|window| window == [7; 100]).unwrap();
        bytes[at + 50] = 8;
        fs_err::write(&path, bytes).unwrap();
        proxy.release();

        let output = push.wait_with_output().unwrap();

        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["code"], "TAMPERED");
        let digest = &image.blobs[1].digest;
        assert_eq!(
            registry.call("HEAD", RELAY_REPOSITORY, &format!("blobs/{digest}"), None).status,
            404
        );
        assert_eq!(registry.digest(RELAY_REPOSITORY, "v1.1.314"), None);
    }
}

/// Pushes `all.tar`, which another archive replaces between the passes; returns the code, and
/// checks that no request wrote.
#[track_caller]
fn replaced(site: &Site, proxy: &Proxy, other: &str) -> Value {
    proxy.hold(3, Hold::Before);
    let push = site.begin_push("all.tar", &[]);
    proxy.await_hold();
    fs_err::rename(site.file(other), site.file("all.tar")).unwrap();
    proxy.release();

    let output = push.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(writes(proxy), Vec::<String>::new());
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["code"].clone()
}

#[test]
fn archive_replaced_between_passes_is_refused() {
    let Some((_registry, proxy, site)) = site_behind_proxy(Program::Distribution) else { return };
    site.build(&[&image_of(&[b"other"])], "other.tar", "all");
    site.build(&[&image_of(&[b"one"])], "all.tar", "all");
    assert_eq!(replaced(&site, &proxy, "other.tar"), "TAMPERED");
}

#[test]
fn archive_replaced_by_one_without_images_is_refused() {
    let Some((_registry, proxy, site)) = site_behind_proxy(Program::Distribution) else { return };
    site.build(&[&image_of(&[b"one"])], "all.tar", "all");
    assert_eq!(site.run(&["pack", "all.tar", "none.tar", "--images", "none"]).code, 0);
    assert_eq!(replaced(&site, &proxy, "none.tar"), "MISSING_FILE");
}

#[test]
fn push_without_permission_is_told() {
    let Some((_registry, mut site)) = site_of(Program::Distribution, Access::Basic) else { return };
    site.build(&[&image_of(&[b"a"])], "all.tar", "all");
    site.options.drain(..2);
    let ended = site.push("all.tar", &[]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("access denied without credentials (HTTP 401)"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("docker login"), "{}", ended.stderr);
}

#[test]
fn user_who_may_only_pull_is_told_before_anything_is_sent() {
    for program in Program::ALL {
        let Some((registry, site)) = site_of(program, Access::Bearer) else { return };
        let images = site.build(&[&image_of(&[b"a"])], "all.tar", "all");
        let tokens = registry.tokens().unwrap();
        tokens.grant_only(&["pull"]);

        let ended = site.push("all.tar", &[]);

        assert_eq!(ended.code, 4, "{}", ended.stderr);
        assert!(ended.stderr.contains("access denied (HTTP 401) UNAUTHORIZED"), "{}", ended.stderr);
        assert!(ended.stderr.contains("may push to this repository"), "{}", ended.stderr);
        assert!(has_nothing(&registry, RELAY_REPOSITORY, &images));
        // Each repository needs two tokens: to look, and to upload.
        assert_eq!(tokens.scopes().len(), 2, "{:?}", tokens.scopes());
    }
}

#[test]
fn full_registry_is_reported_and_completed_once_it_has_room() {
    let image = image_of(&[&vec![7; 3 << 20]]);
    let begin = |program| {
        let registry = Registry::start_full(program)?;
        let site = Site::new(&registry.address);
        site.build(&[&image], "all.tar", "all");
        let push = site.begin_push("all.tar", &[]);
        Some((registry, site, push))
    };
    // Both at once, because a push takes half a minute to give up.
    for begun in Program::ALL.map(begin) {
        let Some((registry, site, push)) = begun else { return };
        let ended = push.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(4), "{said}");
        assert!(
            said.contains("HTTP 500 UNKNOWN") && said.contains("its disk may be full"),
            "{said}"
        );
        assert_eq!(registry.digest(RELAY_REPOSITORY, "v1.1.314"), None);

        registry.make_room();

        site.pushed("all.tar", &[]);
        assert!(is_whole(&registry, RELAY_REPOSITORY, &image));
    }
}
