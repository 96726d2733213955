//! Identities of requests, and trusted authorities.

use crate::certificates::Certificates;
use crate::clients::{Client, Given, Site};
use crate::table::{CLUSTER, Ours, Row, check};

fn row(user: &'static str, arrives: &'static str) -> Row {
    Row { cluster: CLUSTER, user, environment: &[], arrives, ours: Ours::AsKubectl }
}

fn trust(cluster: &'static str, arrives: &'static str) -> Row {
    Row { cluster, ..row("token: T", arrives) }
}

#[test]
fn tokens_and_passwords_arrive_as_from_kubectl() {
    check(&[
        row("token: T", "directly, Bearer T"),
        row("token: 'T '", "directly, Bearer T"),
        row("tokenFile: token", "directly, Bearer FILE"),
        row("tokenFile: token, token: T", "directly, Bearer FILE"),
        row("tokenFile: no-token, token: T", "directly, Bearer T"),
        row("tokenFile: no-such-file, token: T", "directly, Bearer T"),
        row("tokenFile: no-such-file", "nothing"),
        row("tokenFile: no-token", "nothing"),
        row("username: u, password: p", "directly, Basic dTpw"),
        row("username: u", "directly, Basic dTo="),
        row("username: u, password: p, token: T", "nothing"),
        row("username: u, password: p, tokenFile: token", "nothing"),
        row(
            "token: T, as: a, as-groups: [g]",
            "directly, Bearer T, impersonate-group g, impersonate-user a",
        ),
        row("token: T, as-groups: [g]", "nothing"),
        Row {
            cluster: "server: 'http://127.0.0.1:{PLAIN}'",
            ..row("token: T", "directly without TLS")
        },
        Row {
            cluster: "server: '127.0.0.1:{PLAIN}'",
            ..row("tokenFile: no-such-file", "directly without TLS")
        },
    ]);
}

#[test]
fn empty_value_is_not_given_as_for_kubectl() {
    check(&[
        row(
            "client-certificate: p256.crt, client-key: p256.key, token: ''",
            "directly, certificate p256",
        ),
        row(
            "client-certificate: p256.crt, client-key: p256.key, tokenFile: ''",
            "directly, certificate p256",
        ),
        row(
            "client-certificate: p256.crt, client-key: p256.key, username: '', password: ''",
            "directly, certificate p256",
        ),
        row(
            "client-certificate: p256.crt, client-key: p256.key, as: '', as-groups: [], as-user-extra: {}",
            "directly, certificate p256",
        ),
        row(
            "client-certificate: p256.crt, client-key: p256.key, exec: null, auth-provider: null",
            "directly, certificate p256",
        ),
        row(
            "client-certificate: p256.crt, client-certificate-data: '', client-key: p256.key, client-key-data: ''",
            "directly, certificate p256",
        ),
        row(
            "client-certificate: '', client-certificate-data: <p256.crt>, client-key: '', client-key-data: <p256.key>",
            "directly, certificate p256",
        ),
        row(
            "client-certificate: '', client-certificate-data: '', client-key: '', client-key-data: '', token: T",
            "directly, Bearer T",
        ),
        row("token: '', tokenFile: token", "directly, Bearer FILE"),
        row("token: T, tokenFile: ''", "directly, Bearer T"),
        row("client-key: p256.key, token: T", "directly, Bearer T"),
        trust(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, certificate-authority-data: ''",
            "directly, Bearer T",
        ),
        trust(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: '', certificate-authority-data: <ca.crt>",
            "directly, Bearer T",
        ),
        trust(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: '', certificate-authority-data: ''",
            "nothing",
        ),
        trust(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, tls-server-name: '', proxy-url: ''",
            "directly, Bearer T",
        ),
        trust(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: '', insecure-skip-tls-verify: true",
            "directly, Bearer T",
        ),
    ]);
}

#[test]
fn client_certificates_arrive_as_from_kubectl() {
    const CURVE: Ours = Ours::Refuses("its client-key is on the curve P-521");
    const SIZE: Ours = Ours::Refuses("its client-key is an RSA key outside 2048 to 4096 bits");
    check(&[
        row("client-certificate: p256.crt, client-key: p256.key", "directly, certificate p256"),
        row(
            "client-certificate-data: <p384.crt>, client-key-data: <p384.key>",
            "directly, certificate p384",
        ),
        row(
            "client-certificate: p384.crt, client-key-data: <p384.key>",
            "directly, certificate p384",
        ),
        row("client-certificate: p256.crt, client-key: both.key", "directly, certificate p256"),
        row(
            "client-certificate: ed25519.crt, client-key: ed25519.key",
            "directly, certificate ed25519",
        ),
        row("client-certificate: rsa.crt, client-key: rsa.key", "directly, certificate rsa"),
        row(
            "client-certificate: version1.crt, client-key: version1.key",
            "directly, certificate version1",
        ),
        row(
            "client-certificate: p256.crt, client-key: p256.key, token: T",
            "directly, certificate p256, Bearer T",
        ),
        row(
            "client-certificate: p256.crt, client-key: p256.key, exec: {apiVersion: client.authentication.k8s.io/v1, command: 'false', interactiveMode: Never}",
            "directly, certificate p256",
        ),
        row("client-certificate: p256.crt, client-key: p384.key", "nothing"),
        row("client-certificate: version1.crt, client-key: rsa.key", "nothing"),
        row("client-certificate: p256.crt", "nothing"),
        row("client-certificate: rsa.crt, client-key: encrypted.key", "nothing"),
        Row {
            ours: CURVE,
            ..row(
                "client-certificate: p521.crt, client-key: p521.key",
                "directly, certificate p521",
            )
        },
        Row {
            ours: SIZE,
            ..row(
                "client-certificate: rsa1024.crt, client-key: rsa1024.key",
                "directly, certificate rsa1024",
            )
        },
    ]);
}

#[test]
fn plugin_credentials_arrive_as_from_kubectl() {
    check(&[
        row(
            r#"exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/sh, args: [-c, "printf 'apiVersion: client.authentication.k8s.io/v1\\nkind: ExecCredential\\nstatus: {token: %s}\\n' $X"], env: [{name: X, value: P}]}"#,
            "directly, Bearer P",
        ),
        row(
            "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./plugin}",
            "directly, certificate p256, Bearer P",
        ),
        row(
            "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always, command: ./plugin}",
            "nothing",
        ),
        row(
            "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: 'false'}",
            "nothing",
        ),
        row(
            "auth-provider: {name: gcp, config: {cmd-path: ./plugin, token-key: '{.status.token}'}}",
            "nothing",
        ),
    ]);
}

#[test]
fn authorities_are_trusted_as_by_kubectl() {
    check(&[
        trust("server: 'https://127.0.0.1:{TLS}', certificate-authority: other-ca.crt", "nothing"),
        trust("server: 'https://127.0.0.1:{TLS}', certificate-authority-data: YWJj", "nothing"),
        trust(
            "server: 'https://127.0.0.1:{TLS}', insecure-skip-tls-verify: true",
            "directly, Bearer T",
        ),
        trust("server: 'https://127.0.0.1:{TLS}', insecure-skip-tls-verify: false", "nothing"),
        trust(
            "server: 'https://127.0.0.1:{TLS}', insecure-skip-tls-verify: true, certificate-authority: ca.crt",
            "nothing",
        ),
        trust(
            "server: 'https://127.0.0.1:{TLS}', insecure-skip-tls-verify: true, certificate-authority-data: <ca.crt>",
            "nothing",
        ),
        trust(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, tls-server-name: named.example.invalid",
            "directly, Bearer T",
        ),
        trust(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, tls-server-name: other.example.invalid",
            "nothing",
        ),
        trust(
            "server: 'http://127.0.0.1:{PLAIN}', insecure-skip-tls-verify: true, certificate-authority: ca.crt",
            "directly without TLS",
        ),
    ]);
}

#[test]
fn token_file_that_rotates_is_read_again() {
    let Some(certificates) = Certificates::get() else { return };
    let site = Site::new(certificates);
    let given = Given { cluster: CLUSTER, user: "tokenFile: token", environment: &[] };
    site.run(&Client::Ours, given);
    fs_err::write(site.path().join("token"), "NEXT\r\n").unwrap();
    site.run(&Client::Ours, given);

    assert_eq!(site.recorder.all(), ["directly, Bearer FILE", "directly, Bearer NEXT"]);
}
