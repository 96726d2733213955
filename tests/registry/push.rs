//! Uploads to registries that refuse, lie, break off or are full.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use relay_bundle::images::reference::ImageReference;
use relay_bundle::model::digest::Digest;
use relay_bundle::registry::error::{RegistryError, RegistryFault};
use relay_bundle::registry::{BlobUpload, MountAnswer, UploadFailure};

use crate::client::{Client, image};
use crate::stub::{Answer, Seen, Stub};

/// Above the limit for keeping a blob in memory.
const LARGE: usize = (1 << 20) + 1;

/// Starts uploads, and answers every other request with `answer`.
fn registry(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Stub {
    Stub::start(move |seen, before| match seen.method.as_str() {
        "POST" => Answer::new(202, "").header("Location", "/v2/a/blobs/uploads/1?_state=x"),
        _ => answer(seen, before),
    })
}

fn push(client: &Client, stub: &Stub, bytes: &[u8]) -> Result<(), UploadFailure> {
    let reference = image(stub, "a:1");
    let upload =
        BlobUpload { image: &reference, digest: Digest::of(bytes), size: bytes.len() as u64 };
    client.registry.push_blob(&upload, &mut &*bytes)
}

fn failed(result: Result<(), UploadFailure>) -> RegistryError {
    match result.unwrap_err() {
        UploadFailure::Final(error) => error,
        UploadFailure::Interrupted(error) => panic!("interrupted: {error}"),
    }
}

#[test]
fn blob_is_sent_whole_under_its_digest() {
    let stub = registry(|_, _| Answer::new(201, ""));
    push(&Client::plain(&stub), &stub, b"abc").unwrap();
    let digest = Digest::of(b"abc");
    let wanted = [
        "POST /v2/a/blobs/uploads/".to_owned(),
        format!("PUT /v2/a/blobs/uploads/1?_state=x&digest=sha256:{digest}"),
    ];
    assert_eq!(stub.targets(), wanted);
    let put = &stub.seen()[1];
    assert_eq!((put.header("content-length"), put.header("transfer-encoding")), (Some("3"), None));
    assert_eq!((put.header("expect"), put.body.as_str()), (None, "abc"));
    assert_eq!(stub.seen()[0].header("content-length"), Some("0"));
}

#[test]
fn large_blob_is_announced_before_it_is_sent() {
    let stub = registry(|_, _| Answer::new(201, ""));
    push(&Client::plain(&stub), &stub, &vec![b'x'; LARGE]).unwrap();
    let put = &stub.seen()[1];
    assert_eq!(put.header("content-length"), Some(LARGE.to_string().as_str()));
    assert_eq!(
        (put.header("transfer-encoding"), put.header("expect")),
        (None, Some("100-continue"))
    );
    assert_eq!(put.body.len(), LARGE);
}

#[test]
fn registry_may_store_large_blob_slowly() {
    let stub = registry(|_, _| {
        std::thread::sleep(std::time::Duration::from_secs(1));
        Answer::new(201, "")
    });
    let client = Client::plain(&stub);
    push(&client, &stub, &vec![b'x'; LARGE]).unwrap();
    assert_eq!((stub.seen().len(), client.pauses()), (2, vec![]));
}

#[test]
fn small_blob_is_resent_after_failure() {
    let stub =
        registry(|_, before| if before < 4 { Answer::new(502, "") } else { Answer::new(201, "") });
    let client = Client::plain(&stub);
    push(&client, &stub, b"abc").unwrap();
    assert_eq!(client.pauses(), [1, 2]);
    assert!(stub.seen().iter().filter(|seen| seen.method == "PUT").all(|seen| seen.body == "abc"));
}

#[test]
fn large_blob_already_read_is_left_to_caller() {
    let stub = registry(|_, _| Answer::new(502, ""));
    let client = Client::plain(&stub);
    let failure = push(&client, &stub, &vec![b'x'; LARGE]).unwrap_err();
    assert!(matches!(failure, UploadFailure::Interrupted(_)), "{failure:?}");
    assert_eq!((stub.seen().len(), client.pauses()), (2, vec![]));
}

#[test]
fn large_blob_that_was_not_read_is_tried_again() {
    let begun = AtomicUsize::new(0);
    let stub = Stub::start(move |seen, _| match seen.method.as_str() {
        "POST" if begun.fetch_add(1, Ordering::SeqCst) < 2 => Answer::new(503, ""),
        "POST" => Answer::new(202, "").header("Location", "/v2/a/blobs/uploads/1"),
        _ => Answer::new(201, ""),
    });
    let client = Client::plain(&stub);
    push(&client, &stub, &vec![b'x'; LARGE]).unwrap();
    assert_eq!(client.pauses(), [1, 2]);
}

/// Starts uploads; answers a large one before its bytes are sent the first time, and then accepts
/// it.
fn registry_that_answers_early(answer: fn(&Seen) -> Answer) -> Stub {
    let asked = AtomicUsize::new(0);
    let gate = move |seen: &Seen| (asked.fetch_add(1, Ordering::SeqCst) == 0).then(|| answer(seen));
    Stub::start_gated(gate, |seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", _) => Answer::new(202, "").header("Location", "/v2/a/blobs/uploads/1"),
        (_, "/token?service=s") => Answer::new(200, "{\"token\":\"new\"}"),
        _ => Answer::new(201, ""),
    })
}

#[test]
fn large_blob_survives_token_that_expires_before_it_is_sent() {
    let stub = registry_that_answers_early(|seen| {
        let host = seen.header("host").unwrap();
        Answer::challenge(&format!("Bearer realm=\"http://{host}/token\",service=\"s\""))
    });
    let client = Client::plain(&stub);
    push(&client, &stub, &vec![b'x'; LARGE]).unwrap();
    let seen = stub.seen();
    let puts: Vec<_> = seen.iter().filter(|seen| seen.method == "PUT").collect();
    assert_eq!(puts.iter().map(|put| put.body.len()).collect::<Vec<_>>(), [0, LARGE]);
    assert_eq!((puts[1].header("authorization"), client.pauses()), (Some("Bearer new"), vec![]));
}

#[test]
fn large_blob_over_proxy_limit_is_not_sent() {
    let stub = registry_that_answers_early(|_| Answer::new(413, "<html>"));
    let client = Client::plain(&stub);
    let error = failed(push(&client, &stub, &vec![b'x'; LARGE]));
    assert!(error.remedy().unwrap().contains("client_max_body_size"), "{error}");
    assert!(stub.seen().iter().all(|seen| seen.body.is_empty()), "{:?}", stub.targets());
    assert_eq!(client.pauses(), Vec::<u64>::new());
}

#[test]
fn large_blob_that_is_refused_for_now_is_sent_later() {
    let stub = registry_that_answers_early(|_| Answer::new(429, "").header("Retry-After", "3"));
    let client = Client::plain(&stub);
    push(&client, &stub, &vec![b'x'; LARGE]).unwrap();
    assert_eq!(client.pauses(), [3]);
}

#[test]
fn registry_that_cannot_be_reached_is_tried_again_and_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stub = registry(|_, _| Answer::new(201, ""));
    for size in [3, LARGE] {
        let client = Client::plain(&stub);
        let reference: ImageReference = format!("{free}/a:1").parse().unwrap();
        let bytes = vec![b'x'; size];
        let upload =
            BlobUpload { image: &reference, digest: Digest::of(&bytes), size: size as u64 };
        let error = failed(client.registry.push_blob(&upload, &mut &*bytes));
        assert!(matches!(error.why, RegistryFault::Connection(_)), "{error}");
        assert!(
            error.to_string().contains(&free.to_string()) && error.remedy().is_some(),
            "{error}"
        );
        assert_eq!(client.pauses(), [1, 2, 4, 8, 16]);
    }
}

#[test]
fn caller_waits_longer_each_time_and_gives_up() {
    let stub = registry(|_, _| Answer::new(502, ""));
    let client = Client::plain(&stub);
    let mut failures = 0;
    let last = loop {
        let Err(UploadFailure::Interrupted(error)) = push(&client, &stub, &vec![b'x'; LARGE])
        else {
            panic!()
        };
        match client.registry.await_upload(failures, error) {
            Ok(number) => failures = number,
            Err(error) => break error,
        }
    };
    assert!(matches!(last.why, RegistryFault::Status { code: 502, .. }));
    assert_eq!(client.pauses(), [1, 2, 4, 8, 16]);
}

#[test]
fn proxy_limit_is_reported() {
    let stub = registry(|_, _| Answer::new(413, "<html>"));
    let client = Client::plain(&stub);
    let error = failed(push(&client, &stub, b"abc"));
    let digest = Digest::of(b"abc");
    let wanted =
        format!("cannot push blob sha256:{digest} of `{0}/a:1` to {0}: HTTP 413", stub.address());
    assert_eq!(error.to_string(), wanted);
    assert!(error.remedy().unwrap().contains("client_max_body_size"), "{:?}", error.remedy());
    assert_eq!(client.pauses(), Vec::<u64>::new());
}

#[test]
fn full_registry_is_told_with_its_own_words() {
    let full = "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"no space left on device\"}]}";
    let stub = registry(move |_, _| Answer::new(500, full));
    let client = Client::plain(&stub);
    let error = failed(push(&client, &stub, b"abc"));
    assert!(error.to_string().ends_with("HTTP 500 UNKNOWN: no space left on device"), "{error}");
    assert!(error.remedy().unwrap().contains("disk may be full"));
    assert_eq!(client.pauses(), [1, 2, 4, 8, 16]);
}

#[test]
fn registry_that_denies_again_and_again_is_asked_twice() {
    let stub = Stub::start(|seen, _| {
        if seen.target == "/token?service=s" {
            return Answer::new(200, "{\"token\":\"t\"}");
        }
        let host = seen.header("host").unwrap();
        Answer::challenge(&format!("Bearer realm=\"http://{host}/token\",service=\"s\""))
    });
    let client = Client::plain(&stub);
    let error = failed(push(&client, &stub, b"abc"));
    assert!(matches!(error.why, RegistryFault::Denied { code: 401, .. }), "{error}");
    assert_eq!((stub.seen().len(), client.pauses()), (3, vec![]));
}

#[test]
fn upload_to_plain_http_or_nowhere_is_refused() {
    for location in
        [Some("http://other.example/u"), Some("mailto:x"), Some("https://me:pw@r.example/u"), None]
    {
        let stub = Stub::start(move |_, _| match location {
            Some(location) => Answer::new(202, "").header("Location", location),
            None => Answer::new(202, ""),
        });
        let error = failed(push(&Client::plain(&stub), &stub, b"abc"));
        assert!(
            matches!(error.why, RegistryFault::PlainHttp { .. } | RegistryFault::BadRedirect),
            "{location:?}: {error}"
        );
        assert_eq!(stub.seen().len(), 1);
    }
}

/// Fails after some bytes.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = buffer.len().min(self.0);
        self.0 -= read;
        if read == 0 { Err(io::Error::other("the medium is gone")) } else { Ok(read) }
    }
}

#[test]
fn unreadable_content_is_not_registry_failure() {
    for size in [10, LARGE as u64] {
        let stub = registry(|_, _| Answer::new(201, ""));
        let (client, reference) = (Client::plain(&stub), image(&stub, "a:1"));
        let upload = BlobUpload { image: &reference, digest: Digest::of(b""), size };
        let error = failed(client.registry.push_blob(&upload, &mut Broken(5)));
        assert!(error.to_string().ends_with("cannot read it: the medium is gone"), "{error}");
        assert_eq!(client.pauses(), Vec::<u64>::new());
    }
}

#[test]
fn mount_names_blob_and_repository() {
    let stub = registry_that_mounts(200);
    assert_eq!(mount(&stub, "b/c:1"), MountAnswer::Mounted);
    let digest = Digest::of(b"abc");
    let wanted = [
        format!("POST /v2/a/blobs/uploads/?mount=sha256:{digest}&from=b/c"),
        format!("HEAD /v2/a/blobs/sha256:{digest}"),
    ];
    assert_eq!(stub.targets(), wanted);
}

#[test]
fn mount_that_did_not_happen_is_refused() {
    assert_eq!(mount(&registry_that_mounts(404), "b:1"), MountAnswer::Refused);
}

/// Claims to mount, and answers with this status when it is asked for the blob.
fn registry_that_mounts(status: u16) -> Stub {
    Stub::start(move |seen, _| match seen.method.as_str() {
        "POST" => Answer::new(201, ""),
        _ => Answer::new(status, ""),
    })
}

fn mount(stub: &Stub, from: &str) -> MountAnswer {
    let (to, from) = (image(stub, "a:1"), image(stub, from));
    let upload = BlobUpload { image: &to, digest: Digest::of(b"abc"), size: 3 };
    Client::plain(stub).registry.mount(&upload, &from).unwrap()
}

#[test]
fn upload_started_by_mount_is_ended() {
    let stub = registry(|_, _| Answer::new(204, ""));
    assert_eq!(mount(&stub, "b:1"), MountAnswer::Refused);
    assert_eq!(stub.targets()[1], "DELETE /v2/a/blobs/uploads/1?_state=x");
}

#[test]
fn mount_that_is_denied_is_refused() {
    for status in [400, 403, 404, 405] {
        let stub = Stub::start(move |_, _| Answer::new(status, ""));
        assert_eq!(mount(&stub, "b:1"), MountAnswer::Refused, "{status}");
    }
}
