//! Messages about kubeconfigs: correct, with a remedy, and without a password.

use crate::certificates::Certificates;
use crate::clients::{Client, Given, Site};
use crate::table::CLUSTER;

fn said(cluster: &str, user: &str, environment: &[(&str, &str)]) -> Option<String> {
    let site = Site::new(Certificates::get()?);
    Some(site.run(&Client::Ours, Given { cluster, user, environment }).stderr)
}

#[track_caller]
fn assert_said(stderr: &str, words: &[&str]) {
    for words in words {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
}

#[test]
fn password_of_proxy_is_in_no_message() {
    let server = "server: 'https://api.example.invalid', certificate-authority: ca.crt";
    let urls = [
        "socks5://alice:EXAMPLEpw@127.0.0.1:1",
        "http://alice:EXAMPLEpw@127.0.0.1:1",
        "https://alice:EXAMPLEpw@127.0.0.1:1",
        "socks4://alice:EXAMPLEpw@127.0.0.1:1",
        "http://alice:EXAMPLEpw@127.0.0.1:1x",
        "http://alice:EXAMPLE/pw@127.0.0.1:1",
        "alice:EXAMPLEpw@127.0.0.1:1",
    ];
    let check = |stderr: Option<String>| {
        let Some(stderr) = stderr else { return };
        assert_said(&stderr, &["error: "]);
        assert!(!stderr.contains("alice") && !stderr.contains("EXAMPLE"), "{stderr}");
    };
    // Each waits until the program stops retrying.
    std::thread::scope(|scope| {
        for url in urls {
            scope.spawn(move || {
                check(said(&format!("{server}, proxy-url: '{url}'"), "token: T", &[]));
            });
            scope.spawn(move || check(said(server, "token: T", &[("HTTPS_PROXY", url)])));
        }
    });
}

#[test]
fn proxy_is_named_when_nothing_answers() {
    let cluster =
        "server: 'https://api.example.invalid', proxy-url: 'http://alice:EXAMPLEpw@127.0.0.1:1'";
    let Some(stderr) = said(cluster, "", &[]) else { return };
    assert_said(&stderr, &["https://api.example.invalid", "through the proxy http://127.0.0.1:1"]);
}

#[test]
fn server_that_is_not_verified_is_warned_of() {
    let cluster = "server: 'https://127.0.0.1:{TLS}', insecure-skip-tls-verify: true";
    let Some(stderr) = said(cluster, "token: T", &[]) else { return };
    assert_said(&stderr, &["warning: the certificate of the API server is not verified"]);
}

#[test]
fn skipped_tls_verification_with_authority_is_refused() {
    let cluster = "server: 'https://127.0.0.1:{TLS}', insecure-skip-tls-verify: true, certificate-authority: ca.crt";
    let Some(stderr) = said(cluster, "token: T", &[]) else { return };
    assert_said(
        &stderr,
        &["certificate-authority and insecure-skip-tls-verify", "remove one of them"],
    );
}

#[test]
fn unusable_key_is_reported_by_kind_with_remedy() {
    for (user, words) in [
        (
            "client-certificate: p521.crt, client-key: p521.key",
            ["on the curve P-521", "P-256, P-384 or Ed25519"],
        ),
        (
            "client-certificate: rsa1024.crt, client-key: rsa1024.key",
            ["RSA key outside 2048", "2048 to 4096 bits"],
        ),
        (
            "client-certificate: rsa.crt, client-key: encrypted.key",
            ["has a passphrase", "openssl pkey -in KEY -out PLAIN"],
        ),
        (
            "client-certificate: p256.crt, client-key: p384.key",
            ["client-key does not belong", "client-certificate"],
        ),
        ("client-certificate: p256.crt", ["client-certificate but no client-key", "kubeconfig"]),
        (
            "client-certificate: p256.key, client-key: p256.key",
            ["client-certificate has no certificate", "kubeconfig"],
        ),
        (
            "client-certificate: p256.crt, client-key: p256.crt",
            ["client-key has no private key", "kubeconfig"],
        ),
    ] {
        let Some(stderr) = said(CLUSTER, user, &[]) else { return };
        assert_said(&stderr, &words);
        assert!(!stderr.contains("BEGIN"), "{stderr}");
    }
}

#[test]
fn plain_http_address_of_tls_server_is_reported() {
    for scheme in ["http://", ""] {
        let cluster = format!("server: '{scheme}127.0.0.1:{{TLS}}'");
        let Some(stderr) = said(&cluster, "token: T", &[]) else { return };
        assert_said(
            &stderr,
            &[
                "error: http://127.0.0.1:",
                "is an address without TLS, but the server seems to expect TLS",
            ],
        );
        assert_said(&stderr, &["hint: use https:// in the cluster's `server`"]);
    }
}

#[test]
fn https_address_of_server_without_tls_is_reported() {
    let cluster = "server: 'https://127.0.0.1:{BAD}', certificate-authority: ca.crt";
    let Some(stderr) = said(cluster, "token: T", &[]) else { return };
    assert_said(&stderr, &["error: the server does not speak TLS: https://127.0.0.1:"]);
    assert_said(&stderr, &["hint: check the scheme and the port"]);
}

#[test]
fn refusal_of_request_without_tls_is_reported() {
    // The refusal of Go's servers and of nginx.
    let Some(stderr) = said("server: 'http://127.0.0.1:{BAD}'", "token: T", &[]) else { return };
    assert_said(&stderr, &["is an address without TLS, but the server seems to expect TLS"]);
}

#[test]
fn handshake_that_cannot_succeed_is_told_once_with_its_reason() {
    let other = "server: 'https://127.0.0.1:{TLS}', certificate-authority: other-ca.crt";
    let Some(stderr) = said(other, "token: T", &[]) else { return };
    assert_said(
        &stderr,
        &[
            "the TLS handshake with the API server failed",
            "is not signed by a certificate-authority of the kubeconfig",
        ],
    );
}
