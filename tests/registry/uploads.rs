//! Uploads that break off in mid-body, uploads to other hosts, and the progress of a push.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use relay_bundle::images::reference::ImageReference;
use relay_bundle::model::digest::Digest;
use relay_bundle::registry::error::RegistryFault;
use relay_bundle::registry::{BlobUpload, MountAnswer, UploadFailure};

use crate::certificates::Certificates;
use crate::client::{BASIC, Client, image};
use crate::fake::{BREAK_BYTES, Fake, Flaw, LARGE_BYTES};
use crate::site::carried::image::Image;
use crate::site::carried::image_of;
use crate::site::{RELAY_REPOSITORY, Site};
use crate::stub::{Answer, Stub};
use crate::tools::find;

const TAG: &str = "v1.1.314";

/// Returns an image with a layer that is streamed, and a site that pushes it into a registry with a
/// flaw.
fn large_for(flaw: Flaw) -> (Fake, Site, Image) {
    let image = image_of(&[&vec![b'x'; LARGE_BYTES]]);
    let fake = Fake::start(flaw);
    let site = Site::new(&fake.stub.address());
    site.build(&[&image], "all.tar", "all");
    (fake, site, image)
}

/// Returns the sizes of the bodies that the registry received for the large layer.
fn received(fake: &Fake, image: &Image) -> Vec<usize> {
    let puts = fake.stub.seen().into_iter().filter(|seen| seen.method == "PUT");
    puts.filter(|put| put.target.ends_with(&image.blobs[1].digest))
        .map(|put| put.body.len())
        .collect()
}

#[track_caller]
fn is_whole(fake: &Fake, image: &Image) {
    assert!(image.blobs.iter().all(|blob| fake.has_blob(RELAY_REPOSITORY, &blob.digest)));
    let text = String::from_utf8(image.manifest.bytes.clone()).unwrap();
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), Some(text));
}

#[test]
fn interrupted_stream_is_resent_from_file() {
    let (fake, site, image) = large_for(Flaw::BreaksUpload);

    let ended = site.push("all.tar", &[]);

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(received(&fake, &image), [BREAK_BYTES, LARGE_BYTES]);
    is_whole(&fake, &image);
    let (report, bytes) = (ended.json(), image.blobs.iter().map(|blob| blob.bytes.len()));
    assert_eq!((&report["sent"], &report["sentBytes"]), (&2.into(), &bytes.sum::<usize>().into()));
    assert_eq!(ended.stderr.matches("trying again in 1 s").count(), 1, "{}", ended.stderr);
}

#[test]
fn push_killed_mid_stream_converges() {
    let (fake, site, image) = large_for(Flaw::StallsUpload);
    let mut push = site.begin_push("all.tar", &[]);
    let start = Instant::now();
    while received(&fake, &image).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "the upload does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    push.kill().unwrap();
    push.wait().unwrap();
    assert!(!fake.has_blob(RELAY_REPOSITORY, &image.blobs[1].digest));
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), None);

    site.pushed("all.tar", &[]);

    assert_eq!(received(&fake, &image), [BREAK_BYTES, LARGE_BYTES]);
    is_whole(&fake, &image);
}

/// Pushes on a terminal, and returns what it shows.
fn screen(site: &Site) -> Option<String> {
    let script = find("script", "bsdutils")?;
    let push = "push all.tar --key key.pub.pem";
    let mut command = Command::new(script);
    command.current_dir(site.path()).env_clear().env("HOME", site.path());
    command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let line = format!("{} {push}", env!("CARGO_BIN_EXE_relay-bundle"));
    let output = command.args(["-qec", &line, "typescript"]).output().unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{screen}");
    Some(screen)
}

/// Returns the lines with the progress of 8.3 MB.
fn progress_lines(screen: &str) -> Vec<&str> {
    let lines = screen.split(['\r', '\n']).map(|line| line.trim_start_matches("\x1b[K"));
    lines.filter(|line| line.starts_with("pushed ") && line.contains(" of 8.3 MB, ")).collect()
}

#[test]
fn push_shows_progress_on_terminal() {
    let (fake, site, image) = large_for(Flaw::Slow);
    let Some(screen) = screen(&site) else { return };
    let lines = progress_lines(&screen);
    let line = lines.first().unwrap_or_else(|| panic!("{screen}"));
    assert!(line.contains("/s, ") && line.ends_with(" left"), "{line}");
    is_whole(&fake, &image);
}

#[test]
fn progress_counts_bytes_that_are_sent_again_once() {
    let (_fake, site, _image) = large_for(Flaw::BreaksUpload);
    let Some(screen) = screen(&site) else { return };
    let (_, second) = screen.split_once("trying again in 1 s").expect(&screen);
    // The first line comes with the first bytes. The first pass sent 3 MiB.
    let line = progress_lines(second).into_iter().next().expect(&screen);
    let done = line.trim_start_matches("pushed ").split(" of ").next().unwrap();
    assert!(!done.ends_with("MB"), "{line}");
}

/// Starts a registry that asks for a login, and begins uploads at the given place.
fn with_uploads_at(certificates: &Certificates, location: String) -> Stub {
    Stub::start_tls(certificates, move |seen, _| match seen.header("authorization") {
        None => Answer::challenge("Basic realm=\"registry\""),
        Some(_) if seen.method == "POST" => Answer::new(202, "").header("Location", &location),
        Some(_) => Answer::new(201, ""),
    })
}

fn push(client: &Client, image: &ImageReference, bytes: &[u8]) -> Result<(), UploadFailure> {
    let upload = BlobUpload { image, digest: Digest::of(bytes), size: bytes.len() as u64 };
    client.registry.push_blob(&upload, &mut &*bytes)
}

#[test]
fn login_is_sent_with_upload_to_same_host() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = with_uploads_at(certificates, "/v2/a/blobs/uploads/1".to_owned());

    push(&Client::logged_in(certificates, &stub), &image(&stub, "a:1"), b"abc").unwrap();

    let basic = || Some(BASIC.to_owned());
    assert_eq!(stub.authorizations(), [None, basic(), basic()], "{:?}", stub.targets());
}

#[test]
fn login_is_withheld_from_other_host_of_upload() {
    let Some(certificates) = Certificates::get() else { return };
    for bytes in [b"abc".to_vec(), vec![b'x'; LARGE_BYTES]] {
        let storage = Stub::start_tls(certificates, |_, _| Answer::new(201, ""));
        let place = format!("https://{}/upload?signature=x", storage.address());
        let stub = with_uploads_at(certificates, place);

        push(&Client::logged_in(certificates, &stub), &image(&stub, "a:1"), &bytes).unwrap();

        assert_eq!(stub.authorizations(), [None, Some(BASIC.to_owned())]);
        assert_eq!(storage.authorizations(), [None]);
        let sent = &storage.seen()[0];
        let target = format!("/upload?signature=x&digest=sha256:{}", Digest::of(&bytes));
        assert_eq!((sent.method.as_str(), sent.target.as_str()), ("PUT", target.as_str()));
        assert_eq!(sent.body.len(), bytes.len());
    }
}

#[test]
fn challenge_from_other_host_of_upload_is_not_answered() {
    let Some(certificates) = Certificates::get() else { return };
    let storage =
        Stub::start_tls(certificates, |_, _| Answer::challenge("Basic realm=\"registry\""));
    let stub = with_uploads_at(certificates, format!("https://{}/upload", storage.address()));

    let failure =
        push(&Client::logged_in(certificates, &stub), &image(&stub, "a:1"), b"abc").unwrap_err();

    let UploadFailure::Final(error) = failure else { panic!("{failure:?}") };
    assert!(matches!(error.why, RegistryFault::Status { code: 401, .. }), "{error}");
    assert_eq!(error.place.host, storage.address());
    assert_eq!(storage.authorizations(), [None]);
}

#[test]
fn login_is_withheld_from_other_host_if_mount_started_upload() {
    let Some(certificates) = Certificates::get() else { return };
    let storage = Stub::start_tls(certificates, |_, _| Answer::new(204, ""));
    let stub = with_uploads_at(certificates, format!("https://{}/upload", storage.address()));

    let (to, from) = (image(&stub, "a:1"), image(&stub, "b:1"));
    let upload = BlobUpload { image: &to, digest: Digest::of(b"abc"), size: 3 };
    let answer = Client::logged_in(certificates, &stub).registry.mount(&upload, &from);

    assert_eq!(answer.unwrap(), MountAnswer::Refused);
    assert_eq!(storage.targets(), ["DELETE /upload"]);
    assert_eq!(storage.authorizations(), [None]);
}
