//! Docker Hub: the host that serves its images, and the key of its credentials.

use relay_bundle::proxy::ProxyEnvironment;

use crate::certificates::Certificates;
use crate::client::{BASIC, Client, Options, auths};
use crate::images::manifest;
use crate::stub::{Answer, Stub};
use crate::tunnel::Tunnel;

#[test]
fn docker_hub_image_is_requested_at_its_registry_with_login() {
    let Some(certificates) = Certificates::get() else { return };
    for key in ["https://index.docker.io/v1/", "docker.io"] {
        let stub = Stub::start_tls(certificates, |seen, _| {
            if seen.header("authorization") == Some(BASIC) {
                return manifest().answer();
            }
            Answer::challenge("Basic realm=\"registry\"")
        });
        let tunnel = Tunnel::to(&stub);
        let https = Some(format!("http://{}", tunnel.address));
        let client = Client::new(Options {
            credentials: Some(&auths(key)),
            ca: Some(certificates.path("ca.crt")),
            proxies: ProxyEnvironment { https, ..ProxyEnvironment::default() },
            ..Options::default()
        });

        client.registry.pull_manifest(&"redis:8".parse().unwrap()).unwrap();

        let connects = tunnel.connects();
        let is_hub = |line: &String| line == "CONNECT registry-1.docker.io:443 HTTP/1.1";
        assert!(!connects.is_empty() && connects.iter().all(is_hub), "{connects:?}");
        let seen = stub.seen();
        assert!(seen.iter().all(|seen| seen.header("host") == Some("registry-1.docker.io")));
        let last = seen.last().unwrap();
        assert_eq!(last.target, "/v2/library/redis/manifests/8");
        assert_eq!(last.header("authorization"), Some(BASIC), "{key}");
    }
}
