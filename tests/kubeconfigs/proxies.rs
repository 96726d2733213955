//! The choice of the proxy for a server.

use crate::table::{CLUSTER, Ours, Row, check};

/// A server that only a proxy finds: its name does not resolve.
const NAMED: &str = "server: 'https://api.example.invalid:6443', certificate-authority: ca.crt";
/// This machine by an address that is not a loopback address, so that proxies apply.
const NEAR: &str = "server: 'https://0.0.0.0:{TLS}', certificate-authority: ca.crt";
const PROXY: (&str, &str) = ("HTTPS_PROXY", "http://127.0.0.1:{HTTP}");

const THROUGH: &str = "http to api.example.invalid:PORT, Bearer T";
const NEAR_THROUGH: &str = "http to 0.0.0.0:PORT, Bearer T";
const DIRECT: &str = "directly, Bearer T";

fn row(
    cluster: &'static str,
    environment: &'static [(&'static str, &'static str)],
    arrives: &'static str,
) -> Row {
    Row { cluster, user: "token: T", environment, arrives, ours: Ours::AsKubectl }
}

#[test]
fn proxy_of_kubeconfig_is_used_as_by_kubectl() {
    check(&[
        row(
            "server: 'https://api.example.invalid:6443', certificate-authority: ca.crt, proxy-url: 'http://127.0.0.1:{HTTP}'",
            &[("NO_PROXY", "localhost,127.0.0.1")],
            THROUGH,
        ),
        row(
            "server: 'https://api.example.invalid:6443', certificate-authority: ca.crt, proxy-url: 'http://127.0.0.1:{HTTP}'",
            &[("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "*")],
            THROUGH,
        ),
        // Loopback is not an exception if the kubeconfig names a proxy.
        row(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, proxy-url: 'http://127.0.0.1:{HTTP}'",
            &[],
            "http to 127.0.0.1:PORT, Bearer T",
        ),
        row(
            "server: 'https://api.example.invalid', certificate-authority: ca.crt, proxy-url: 'https://127.0.0.1:{HTTPS}'",
            &[],
            "https to api.example.invalid:PORT, Bearer T",
        ),
        row(
            "server: 'https://api.example.invalid', certificate-authority: ca.crt, proxy-url: 'socks5://127.0.0.1:{SOCKS}'",
            &[],
            "socks to api.example.invalid, Bearer T",
        ),
        row(
            "server: 'https://0.0.0.0:{TLS}', certificate-authority: ca.crt, proxy-url: 'socks5://al%40ice:EXAMPLE@127.0.0.1:{SOCKS}'",
            &[],
            "socks to 0.0.0.0 as al@ice:EXAMPLE, Bearer T",
        ),
        row(
            "server: 'https://api.example.invalid:6443', certificate-authority: ca.crt, proxy-url: 'http://alice:pw%40@127.0.0.1:{HTTP}'",
            &[],
            "http to api.example.invalid:PORT as Basic YWxpY2U6cHdA, Bearer T",
        ),
        row(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, proxy-url: ''",
            &[],
            DIRECT,
        ),
        row(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, proxy-url: '127.0.0.1:{HTTP}'",
            &[],
            "nothing",
        ),
        row(
            "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt, proxy-url: 'socks5h://127.0.0.1:{SOCKS}'",
            &[],
            "nothing",
        ),
    ]);
}

#[test]
fn proxy_of_environment_is_used_as_by_kubectl() {
    check(&[
        row(NAMED, &[PROXY], THROUGH),
        row(NAMED, &[("https_proxy", "http://127.0.0.1:{HTTP}")], THROUGH),
        row(NAMED, &[("HTTPS_PROXY", ""), ("https_proxy", "http://127.0.0.1:{HTTP}")], THROUGH),
        row(NAMED, &[("https_proxy", "http://127.0.0.1:1"), PROXY], THROUGH),
        row(NAMED, &[("HTTPS_PROXY", "127.0.0.1:{HTTP}")], THROUGH),
        row(NAMED, &[("HTTPS_PROXY", "localhost:{HTTP}/")], THROUGH),
        row(
            NAMED,
            &[("HTTPS_PROXY", "alice:pw@127.0.0.1:{HTTP}")],
            "http to api.example.invalid:PORT as Basic YWxpY2U6cHc=, Bearer T",
        ),
        row(
            NAMED,
            &[("HTTPS_PROXY", "https://localhost:{HTTPS}")],
            "https to api.example.invalid:PORT, Bearer T",
        ),
        row(
            NAMED,
            &[("HTTPS_PROXY", "socks5://127.0.0.1:{SOCKS}")],
            "socks to api.example.invalid, Bearer T",
        ),
        row(
            NAMED,
            &[("HTTPS_PROXY", "socks5h://127.0.0.1:{SOCKS}")],
            "socks to api.example.invalid, Bearer T",
        ),
        // The other variables are for other programs, and for servers without TLS.
        row(
            NEAR,
            &[("HTTP_PROXY", "http://127.0.0.1:{HTTP}"), ("ALL_PROXY", "http://127.0.0.1:{HTTP}")],
            DIRECT,
        ),
        row(NEAR, &[("HTTPS_PROXY", "http://pro xy:3128")], "nothing"),
        row(NEAR, &[PROXY], NEAR_THROUGH),
        // A proxy is never used for this machine.
        row(CLUSTER, &[PROXY], DIRECT),
        row("server: 'https://localhost:{TLS}', certificate-authority: ca.crt", &[PROXY], DIRECT),
        row(
            CLUSTER,
            &[
                ("HTTPS_PROXY", "http://proxy.example.invalid:3128"),
                ("NO_PROXY", "127.0.0.0/8,.example.internal"),
            ],
            DIRECT,
        ),
    ]);
}

#[test]
fn no_proxy_is_interpreted_as_in_kubectl() {
    let direct = [
        "0.0.0.0",
        "0.0.0.0:{TLS}",
        "0.0.0.0/8",
        "0.0.0.0/0",
        "*",
        "0.0.0.0,",
        ",0.0.0.0",
        "x,,0.0.0.0",
        "x, 0.0.0.0 ,y",
    ];
    let through = [
        "0.0.0.0:1",
        "1.0.0.0/8",
        "0.0.0",
        "0.0.0.0/33",
        "0.0.0.0/8:{TLS}",
        "*.0",
        "::/0",
        "",
        ",",
        " , ",
        "[",
        ":1",
        "localhost",
    ];
    let rows = |values: &'static [&'static str], arrives| {
        values.iter().map(move |value| {
            row(NEAR, Box::leak(Box::new([PROXY, ("NO_PROXY", *value)])), arrives)
        })
    };
    let named = [
        "example.com",
        "invalid.example",
        "api.example.invalid:1",
        ".api.example.invalid",
        "api",
        "example.invali",
    ];
    let named =
        named.map(|value| row(NAMED, Box::leak(Box::new([PROXY, ("NO_PROXY", value)])), THROUGH));
    let all: Vec<Row> = rows(Box::leak(Box::new(direct)), DIRECT)
        .chain(rows(Box::leak(Box::new(through)), NEAR_THROUGH))
        .chain(named)
        .chain([row(NEAR, &[PROXY, ("no_proxy", "0.0.0.0")], DIRECT)])
        .collect();
    check(&all);
}

#[test]
fn no_proxy_with_server_name_bypasses_proxy() {
    // The name does not resolve, so nothing arrives.
    check(&[
        row(NAMED, &[PROXY, ("NO_PROXY", "example.invalid")], "nothing"),
        row(NAMED, &[PROXY, ("NO_PROXY", "*.EXAMPLE.invalid:6443")], "nothing"),
    ]);
}
