//! TLS, plain HTTP, redirects between them, and proxies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use relay_bundle::proxy::ProxyEnvironment;
use relay_bundle::registry::error::{RegistryError, RegistryFault};

use crate::certificates::Certificates;
use crate::client::{Client, Options, image};
use crate::images::manifest;
use crate::stub::{Answer, Stub};

fn pull(client: &Client, stub: &Stub) -> Result<(), RegistryError> {
    client.registry.pull_manifest(&image(stub, "a:1")).map(|_| ())
}

fn trusting(certificates: &Certificates) -> Client {
    Client::new(Options { ca: Some(certificates.path("ca.crt")), ..Options::default() })
}

/// Starts a server that answers everything with these bytes.
fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(bytes);
        }
    });
    address
}

#[test]
fn registry_of_this_machine_may_have_no_tls() {
    let stub = Stub::start(|_, _| manifest().answer());
    let client = Client::new(Options::default());

    pull(&client, &stub).unwrap();
    pull(&client, &stub).unwrap();

    assert_eq!(stub.targets(), ["GET /v2/", "GET /v2/a/manifests/1", "GET /v2/a/manifests/1"]);
}

#[test]
fn registry_elsewhere_must_have_tls_or_be_listed() {
    let stub = Stub::start(|_, _| manifest().answer());
    // The unspecified address is not a loopback address, but leads to this machine.
    let host = format!("0.0.0.0:{}", stub.port());

    let reference = format!("{host}/a:1").parse().unwrap();
    let error = Client::new(Options::default()).registry.pull_manifest(&reference).unwrap_err();

    assert!(stub.seen().is_empty());
    assert!(matches!(error.why, RegistryFault::NotTls | RegistryFault::Connection(_)), "{error}");
}

#[test]
fn server_that_answers_tls_with_text_is_told_apart() {
    let port = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").port();

    let reference = format!("0.0.0.0:{port}/a:1").parse().unwrap();
    let error = Client::new(Options::default()).registry.pull_manifest(&reference).unwrap_err();

    assert!(matches!(error.why, RegistryFault::NotTls), "{error}");
    assert!(error.remedy().unwrap().contains(&format!("--plain-http 0.0.0.0:{port}")));
}

#[test]
fn answer_that_is_not_http_is_told_apart() {
    let stub = Stub::start(|_, _| Answer::new(200, "220 mail.example ESMTP\r\n\r\n").bare());

    let error = pull(&Client::plain(&stub), &stub).unwrap_err();

    assert!(matches!(error.why, RegistryFault::NotHttp), "{error}");
}

#[test]
fn answer_that_is_neither_tls_nor_http_is_told_apart() {
    let address = answering(b"220 mail.example ESMTP\r\n\r\n");

    let reference = format!("{address}/a:1").parse().unwrap();
    let error = Client::new(Options::default()).registry.pull_manifest(&reference).unwrap_err();

    assert!(matches!(error.why, RegistryFault::NotTls), "{error}");
}

#[test]
fn certificate_for_another_name_is_refused() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = Stub::start_tls(certificates, |_, _| manifest().answer());

    let reference = format!("0.0.0.0:{}/a:1", stub.port()).parse().unwrap();
    let error = trusting(certificates).registry.pull_manifest(&reference).unwrap_err();

    assert!(matches!(error.why, RegistryFault::Tls(_)), "{error}");
    assert!(error.remedy().unwrap().contains("names in its certificate"));
}

#[test]
fn certificate_of_given_ca_is_accepted() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = Stub::start_tls(certificates, |_, _| manifest().answer());

    pull(&trusting(certificates), &stub).unwrap();
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let Some(certificates) = Certificates::get() else { return };
    let stub = Stub::start_tls(certificates, |_, _| manifest().answer());
    let other =
        Client::new(Options { ca: Some(certificates.path("other.crt")), ..Options::default() });

    for client in [other, Client::new(Options::default())] {
        let error = pull(&client, &stub).unwrap_err();
        assert!(matches!(error.why, RegistryFault::UnknownAuthority), "{error}");
        assert!(error.remedy().unwrap().contains("--ca FILE"));
        assert!(client.pauses().is_empty(), "the same certificate would come again");
    }
    assert!(stub.seen().is_empty());
}

#[test]
fn redirect_loop_ends() {
    let stub = Stub::start(|_, before| Answer::redirect(307, &format!("/v2/again/{before}")));

    let error = pull(&Client::plain(&stub), &stub).unwrap_err();

    assert!(matches!(error.why, RegistryFault::RedirectLoop), "{error}");
    assert_eq!(stub.seen().len(), 6);
}

#[test]
fn redirect_from_tls_to_plain_http_is_refused() {
    let Some(certificates) = Certificates::get() else { return };
    let plain = Stub::start(|_, _| manifest().answer());
    let location = format!("http://{}/x?signature=s3cret", plain.address());
    let stub = Stub::start_tls(certificates, move |_, _| Answer::redirect(307, &location));

    let error = pull(&trusting(certificates), &stub).unwrap_err();

    assert!(
        matches!(&error.why, RegistryFault::PlainHttp { to } if *to == plain.address()),
        "{error}"
    );
    assert!(plain.seen().is_empty());
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

#[test]
fn redirect_to_plain_http_elsewhere_is_refused() {
    let stub = Stub::start(|_, _| Answer::redirect(307, "http://storage.example.invalid/x"));

    let error = pull(&Client::plain(&stub), &stub).unwrap_err();

    assert!(matches!(error.why, RegistryFault::PlainHttp { .. }), "{error}");
}

#[test]
fn redirect_to_no_address_is_refused() {
    for location in ["", "ftp://a.example/x", "https://me:s3cret@a.example/x", "https://"] {
        let stub = Stub::start(move |_, _| Answer::redirect(302, location));
        let error = pull(&Client::plain(&stub), &stub).unwrap_err();
        assert!(matches!(error.why, RegistryFault::BadRedirect), "{location}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn registry_is_reached_through_proxy_from_env() {
    let proxy = Stub::start(|_, _| Answer::new(407, ""));
    let https = Some(format!("http://me:s3cret@{}", proxy.address()));
    let proxies = ProxyEnvironment { https, ..ProxyEnvironment::default() };
    let client = Client::new(Options { proxies, ..Options::default() });

    let reference = "registry.example.invalid/a:1".parse().unwrap();
    let error = client.registry.pull_manifest(&reference).unwrap_err();

    assert!(matches!(error.why, RegistryFault::ProxyRefused(_)), "{error}");
    assert!(
        error.to_string().contains(&format!("through the proxy http://{}", proxy.address())),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    let connect = &proxy.seen()[0];
    assert_eq!(
        (connect.method.as_str(), connect.target.as_str()),
        ("CONNECT", "registry.example.invalid:443")
    );
    assert_eq!(connect.header("proxy-authorization"), Some("Basic bWU6czNjcmV0"));
}
