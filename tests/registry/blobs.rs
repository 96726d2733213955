//! Blobs: sizes, resumed downloads, and false answers about both.

use relay_bundle::model::digest::Digest;
use relay_bundle::registry::BlobRequest;
use relay_bundle::registry::error::{RegistryError, RegistryFault};

use crate::client::{Client, Sink, image};
use crate::stub::{Answer, Seen, Stub};

/// Returns bytes without repeated parts.
fn bytes(number: usize) -> Vec<u8> {
    (0..number).map(|at| u8::try_from((at * 7 + at / 251) % 256).unwrap()).collect()
}

/// Pulls the blob of `content` after its first `from` bytes.
fn pull(
    client: &Client,
    stub: &Stub,
    content: &[u8],
    from: usize,
) -> (Sink, Result<(), RegistryError>) {
    let mut sink = Sink { bytes: content[..from].to_vec(), ..Sink::default() };
    let pulled = pull_into(client, stub, content, &mut sink);
    (sink, pulled)
}

fn pull_into(
    client: &Client,
    stub: &Stub,
    content: &[u8],
    sink: &mut Sink,
) -> Result<(), RegistryError> {
    let image = image(stub, "a/b:1");
    let (size, from) = (content.len() as u64, sink.bytes.len() as u64);
    client
        .registry
        .pull_blob(&BlobRequest { image: &image, digest: Digest::of(content), size, from }, sink)
}

fn fault(answer: fn() -> Answer) -> RegistryFault {
    let stub = Stub::start(move |_, _| answer());
    pull(&Client::plain(&stub), &stub, &bytes(1_000), 0).1.unwrap_err().why
}

/// Answers a range request like a registry.
fn ranged(content: &[u8], seen: &Seen) -> Answer {
    let Some(range) = seen.header("range") else { return Answer::new(200, content) };
    let from: usize =
        range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
    let content_range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
    Answer::new(206, &content[from..]).header("Content-Range", &content_range)
}

#[test]
fn blob_arrives_whole() {
    let content = bytes(3_000_000);
    let served = content.clone();
    let stub = Stub::start(move |_, _| Answer::new(200, served.clone()));

    let (sink, pulled) = pull(&Client::plain(&stub), &stub, &content, 0);

    pulled.unwrap();
    assert!(sink.bytes == content && sink.begins == [0]);
    assert_eq!(stub.targets(), [format!("GET /v2/a/b/blobs/sha256:{}", Digest::of(&content))]);
}

#[test]
fn download_resumes_where_registry_says() {
    let content = bytes(1_000);
    let served = content.clone();
    let stub = Stub::start(move |seen, _| ranged(&served, seen));

    let (sink, pulled) = pull(&Client::plain(&stub), &stub, &content, 400);

    pulled.unwrap();
    assert!(sink.bytes == content && sink.begins == [400]);
    assert_eq!(stub.seen()[0].header("range"), Some("bytes=400-"));
}

#[test]
fn download_restarts_when_range_is_ignored() {
    let content = bytes(1_000);
    let served = content.clone();
    let stub = Stub::start(move |_, _| Answer::new(200, served.clone()));

    let (sink, pulled) = pull(&Client::plain(&stub), &stub, &content, 400);

    pulled.unwrap();
    assert!(sink.bytes == content && sink.begins == [0]);
}

#[test]
fn range_that_does_not_fit_is_asked_again_without() {
    for (status, content_range) in [
        (206, Some("bytes 0-999/1000")),
        (206, Some("bytes 400-998/1000")),
        (206, Some("bytes 400-999/2000")),
        (206, None),
        (416, Some("bytes */1000")),
    ] {
        let content = bytes(1_000);
        let served = content.clone();
        let stub = Stub::start(move |seen, _| match (seen.header("range"), content_range) {
            (None, _) => Answer::new(200, served.clone()),
            (Some(_), Some(text)) => {
                Answer::new(status, &served[400..]).header("Content-Range", text)
            }
            (Some(_), None) => Answer::new(status, &served[400..]),
        });

        let (sink, pulled) = pull(&Client::plain(&stub), &stub, &content, 400);

        pulled.unwrap();
        assert!(sink.bytes == content && sink.begins == [0], "{status} {content_range:?}");
    }
}

#[test]
fn range_follows_redirect_to_storage() {
    let content = bytes(1_000);
    let served = content.clone();
    let storage = Stub::start(move |seen, _| ranged(&served, seen));
    let location = format!("http://{}/blob", storage.address());
    let stub = Stub::start(move |_, _| Answer::redirect(307, &location));

    let (sink, pulled) = pull(&Client::plain(&stub), &stub, &content, 400);

    pulled.unwrap();
    assert!(sink.bytes == content && sink.begins == [400]);
    assert_eq!(storage.seen()[0].header("range"), Some("bytes=400-"));
}

#[test]
fn connection_that_breaks_is_made_again_where_it_broke() {
    let content = bytes(300_000);
    let served = content.clone();
    let stub = Stub::start(move |seen, before| {
        let answer = ranged(&served, seen);
        if before < 2 { answer.cut_after(100_000) } else { answer }
    });
    let client = Client::plain(&stub);

    let (sink, pulled) = pull(&client, &stub, &content, 0);

    pulled.unwrap();
    assert!(sink.bytes == content);
    assert_eq!(sink.begins, [0, 100_000, 200_000]);
    assert_eq!(client.pauses(), [1, 2]);
}

#[test]
fn connection_that_breaks_for_ever_is_given_up() {
    assert_given_up(1_000, |_| 10);
}

#[test]
fn registry_that_starts_again_for_ever_is_given_up() {
    assert_given_up(4 << 20, |before| if before % 2 == 0 { 3 << 20 } else { 1 << 20 });
}

/// Pulls a blob from a registry that ignores ranges and truncates each answer.
#[track_caller]
fn assert_given_up(size: usize, bytes_after: fn(usize) -> usize) {
    let content = bytes(size);
    let served = content.clone();
    let stub = Stub::start(move |_, before| {
        Answer::new(200, served.clone()).cut_after(bytes_after(before))
    });
    let client = Client::plain(&stub);

    let error = pull(&client, &stub, &content, 0).1.unwrap_err();

    assert!(matches!(error.why, RegistryFault::Connection(_)), "{error}");
    assert_eq!(client.pauses(), [1, 2, 4, 8, 16]);
}

#[test]
fn slow_progress_is_not_given_up() {
    let content = bytes(9 << 20);
    let served = content.clone();
    let stub = Stub::start(move |seen, _| {
        let answer = ranged(&served, seen);
        if answer.body_len() > 1 << 20 { answer.cut_after(1 << 20) } else { answer }
    });
    let client = Client::plain(&stub);

    let (sink, pulled) = pull(&client, &stub, &content, 0);

    pulled.unwrap();
    assert!(sink.bytes == content);
    assert_eq!(client.pauses(), [1; 8]);
}

#[test]
fn announced_size_mismatch_is_refused() {
    for size in [999, 1_001, 0] {
        let content = bytes(1_000);
        let stub = Stub::start(move |_, _| Answer::new(200, bytes(size)));
        let (sink, pulled) = pull(&Client::plain(&stub), &stub, &content, 0);
        let fault = pulled.unwrap_err().why;
        assert!(matches!(fault, RegistryFault::WrongSize { wanted: 1_000, .. }), "{fault}");
        assert!(sink.begins.is_empty(), "{size}");
    }
}

#[test]
fn endless_blob_is_cut_at_its_size() {
    let content = bytes(1_000);
    let stub = Stub::start(|_, _| Answer::new(200, bytes(64)).endless());

    let (sink, pulled) = pull(&Client::plain(&stub), &stub, &content, 0);

    assert!(matches!(pulled.unwrap_err().why, RegistryFault::TooLong { wanted: 1_000 }));
    assert!(sink.bytes.len() <= 1_000);
    assert_eq!(stub.seen().len(), 1, "a lie is not asked for again");
}

#[test]
fn chunked_blob_that_ends_early_is_told_with_how_much_came() {
    let fault =
        fault(|| Answer::new(200, "3\r\nabc\r\n0\r\n\r\n").header("Transfer-Encoding", "chunked"));
    assert_eq!(fault.to_string(), "the answer ended after 3 of 1000 bytes");
}

#[test]
fn silent_registry_is_given_up() {
    let silent = fault(|| Answer::new(200, bytes(1_000)).silent());
    assert!(matches!(silent, RegistryFault::Silent { .. }), "{silent}");
}

#[test]
fn lost_blob_is_named() {
    let stub = Stub::start(|_, _| Answer::new(404, ""));
    let content = bytes(10);

    let error = pull(&Client::plain(&stub), &stub, &content, 0).1.unwrap_err().to_string();

    let digest = Digest::of(&content);
    let wanted = format!("cannot fetch blob sha256:{digest} of `{}/a/b:1`", stub.address());
    assert!(error.starts_with(&wanted), "{error}");
    assert!(error.ends_with(&format!("the registry no longer has sha256:{digest}")), "{error}");
}

#[test]
fn full_disk_ends_download() {
    let content = bytes(1_000);
    let served = content.clone();
    let stub = Stub::start(move |_, _| Answer::new(200, served.clone()));
    let mut sink = Sink { room: Some(10), ..Sink::default() };

    let error = pull_into(&Client::plain(&stub), &stub, &content, &mut sink).unwrap_err();

    assert!(matches!(error.why, RegistryFault::Sink(_)), "{error}");
    assert_eq!(stub.seen().len(), 1);
}
