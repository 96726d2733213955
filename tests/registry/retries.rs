//! Retries: their number and their pauses.

use relay_bundle::registry::error::{RegistryError, RegistryFault};

use crate::client::{Client, Options, image};
use crate::images::manifest;
use crate::stub::{Answer, Stub};

fn pull(client: &Client, stub: &Stub) -> Result<(), RegistryError> {
    client.registry.pull_manifest(&image(stub, "a:1")).map(|_| ())
}

#[test]
fn rate_limit_is_waited_out_as_registry_requests() {
    let stub = Stub::start(|_, before| match before {
        0 => Answer::new(429, "").header("Retry-After", "7"),
        1 => Answer::new(429, "").header("Retry-After", "86400"),
        2 => Answer::new(503, ""),
        _ => manifest().answer(),
    });
    let client = Client::plain(&stub);

    pull(&client, &stub).unwrap();

    assert_eq!(client.pauses(), [7, 60, 4]);
}

#[test]
fn failing_registry_is_asked_six_times() {
    let stub = Stub::start(|_, _| {
        Answer::new(500, "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"disk\"}]}")
    });
    let client = Client::plain(&stub);

    let error = pull(&client, &stub).unwrap_err();

    assert_eq!((stub.seen().len(), client.pauses()), (6, vec![1, 2, 4, 8, 16]));
    assert!(error.to_string().ends_with("HTTP 500 UNKNOWN: disk"), "{error}");
}

#[test]
fn refusal_is_not_asked_again() {
    for status in [400, 403, 404, 405] {
        let stub = Stub::start(move |_, _| Answer::new(status, ""));
        let client = Client::plain(&stub);
        pull(&client, &stub).unwrap_err();
        assert_eq!((stub.seen().len(), client.pauses()), (1, vec![]), "{status}");
    }
}

#[test]
fn manifest_that_breaks_off_is_asked_again() {
    let stub = Stub::start(|_, before| {
        let answer = manifest().answer();
        if before == 0 { answer.cut_after(20) } else { answer }
    });
    let client = Client::plain(&stub);

    pull(&client, &stub).unwrap();

    assert_eq!(client.pauses(), [1]);
}

#[test]
fn closed_port_is_tried_again_and_named() {
    // The other tests' servers have another address, so none of them can take this port.
    let closed = std::net::TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap();
    let client = Client::new(Options::default());

    let reference = format!("{closed}/a:1").parse().unwrap();
    let error = client.registry.pull_manifest(&reference).unwrap_err();

    assert!(matches!(error.why, RegistryFault::Connection(_)), "{error}");
    assert!(error.to_string().contains(&format!("from {closed}: ")), "{error}");
    assert_eq!(client.pauses(), [1, 2, 4, 8, 16]);
}

#[test]
fn host_without_address_is_retried_once() {
    let client = Client::new(Options::default());

    let reference = "registry.example.invalid/a:1".parse().unwrap();
    let error = client.registry.pull_manifest(&reference).unwrap_err();

    assert!(matches!(error.why, RegistryFault::UnknownHost), "{error}");
    assert_eq!(client.pauses(), [1]);
}
