//! Obstacles: errors about the cluster, trust, the namespace and permissions.

use camino::Utf8Path;
use relay_bundle::trust::key::PrivateKey;
use serde_json::Value;

use super::{applied, see};
use crate::control_plane::own_control_plane;
use crate::rbac::{deployer, kubeconfig_of, settle};
use crate::site::{Site, write_trusted};

#[test]
fn cluster_errors_match_snapshots() {
    let Some(own) = own_control_plane() else { return };
    let site = Site::on(own.plane, "relay-nowhere");
    site.build("dev", &[]);
    let kubeconfig = fs_err::read_to_string(&site.plane.kubeconfig).unwrap();
    let nowhere = kubeconfig.replace(&site.plane.server().to_string(), "127.0.0.1:1");
    fs_err::write(site.path().join("nowhere.kubeconfig"), nowhere).unwrap();
    see(
        &site,
        "cluster_unreachable",
        &["apply dev-1.tar --trust trust.toml --yes --kubeconfig nowhere.kubeconfig"],
    );
    see(
        &site,
        "kubeconfig_wrong",
        &[
            "status --kubeconfig missing.kubeconfig",
            "status --context other",
            "status --kubeconfig trust.toml",
        ],
    );
    see(
        &site,
        "nothing_installed",
        &[
            "status -n relay-nowhere",
            "status -n relay-nowhere --json",
            "history -n relay-nowhere",
            "rollback -n relay-nowhere --trust trust.toml --dry-run",
            "restart relay -n relay-nowhere --yes",
            "remove -n relay-nowhere --yes",
            "gc --live -n relay-nowhere --yes",
            "verify --live -n relay-nowhere --trust trust.toml",
            "diff dev-1.tar --live",
        ],
    );
}

#[test]
fn trust_errors_match_snapshots() {
    let Some(own) = own_control_plane() else { return };
    let site = Site::on(own.plane, "relay-trust");
    site.build("dev", &[]);
    site.build("dev", &["config.logLevel=\"info\""]);
    let trust = fs_err::read_to_string(site.path().join("trust.toml")).unwrap();
    let builder = crate::site::key().public();
    let other = PrivateKey::from_seed(&[8; 32]).public();
    let (id, base64) = (builder.id().to_string(), builder.to_base64());
    let strange = trust.replace(&id, &other.id().to_string()).replace(&base64, &other.to_base64());
    write_trusted(&site.path().join("strange.toml"), &strange);
    let uid = trust.split_once("clusterUid = \"").unwrap().1.split_once('"').unwrap().0;
    let elsewhere = trust.replace(uid, "00000000-0000-0000-0000-000000000000");
    write_trusted(&site.path().join("elsewhere.toml"), &elsewhere);
    see(
        &site,
        "trust_refused",
        &[
            "apply dev-1.tar --trust strange.toml --yes",
            "apply dev-1.tar --trust strange.toml --yes --json",
            "apply dev-1.tar --trust elsewhere.toml --yes",
            "apply dev-1.tar --trust missing.toml --yes",
        ],
    );

    applied(&site, "dev-1.tar");
    applied(&site, "dev-2.tar");
    see(&site, "older_serial", &["apply dev-1.tar --trust trust.toml --yes"]);
    // The machine of another operator.
    fs_err::remove_dir_all(site.path().join(".local")).unwrap();
    see(
        &site,
        "older_serial_elsewhere",
        &[
            "apply dev-1.tar --trust trust.toml --yes",
            "apply dev-1.tar --trust trust.toml --yes --json",
        ],
    );
    let floor = trust.replace("threshold = 1", "threshold = 1\nminSerial = 2");
    write_trusted(&site.path().join("floor.toml"), &floor);
    let revoked =
        trust.replace("holder = \"builder\"", "holder = \"builder\"\nstatus = \"revoked\"");
    write_trusted(&site.path().join("revoked.toml"), &revoked);
    see(
        &site,
        "trust_withdrawn",
        &[
            "rollback -n relay-trust --trust floor.toml --dry-run",
            "rollback -n relay-trust --trust revoked.toml --dry-run",
            "status -n relay-trust --trust revoked.toml",
        ],
    );
}

#[test]
fn namespace_obstacles_match_snapshots() {
    let Some(own) = own_control_plane() else { return };
    let site = Site::on(own.plane, "relay-way");
    site.build("dev", &["release.createNamespace=false"]);
    site.build("production", &[]);
    see(
        &site,
        "namespace_missing",
        &[
            "apply dev-1.tar --trust trust.toml --dry-run",
            "apply dev-1.tar --trust trust.toml --yes",
        ],
    );
    let site = site.with_namespace();
    see(
        &site,
        "requirements_missing",
        &[
            "apply production-2.tar --trust trust.toml --yes",
            "apply production-2.tar --trust trust.toml --yes --first-install",
            "apply production-2.tar --trust trust.toml --yes --first-install --no-recovery",
            "apply production-2.tar --trust trust.toml --dry-run --first-install --no-recovery",
        ],
    );
    see(
        &site,
        "consent_missing",
        &[
            "apply dev-1.tar --trust trust.toml",
            "apply dev-1.tar --trust trust.toml --plan-hash 12345678",
            "apply dev-1.tar --trust trust.toml --plan-hash 0000000000000000000000000000000000000000000000000000000000000000",
        ],
    );

    applied(&site, "dev-1.tar");
    site.build(
        "dev",
        &[
            "release.name=\"relay-two\"",
            "fullnameOverride=\"relay-dev-claude-relay\"",
            "release.createNamespace=false",
        ],
    );
    see(
        &site,
        "objects_of_another_installation",
        &[
            "apply dev-3.tar --trust trust.toml --dry-run",
            "apply dev-3.tar --trust trust.toml --yes",
            "apply dev-3.tar --trust trust.toml --yes --json",
        ],
    );
    permissions(&site);
}

/// Users without permissions, and the Roles that grant them.
fn permissions(site: &Site) {
    let kubectl =
        |arguments: &[&str]| drop(site.plane.kubectl(&[&["-n", "relay-way"], arguments].concat()));
    kubectl(&["create", "serviceaccount", "nobody"]);
    kubeconfig_of(site, "nobody");
    deployer(site, &[Utf8Path::new("dev-1.tar")]);
    let mut role = site.plane.get("relay-way", "role/relay-bundle-relay-dev");
    let rules = role["rules"].as_array_mut().unwrap();
    let is_of_workloads = |rule: &Value| rule["resources"][0] == "deployments";
    let lost = rules.iter().position(is_of_workloads).unwrap();
    let lost = rules.remove(lost);
    role["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    site.plane.replace(&role);
    settle(site, "deployer", &lost, "relay-way", false);
    see(
        site,
        "permission_missing",
        &[
            "apply dev-1.tar --trust trust.toml --yes --kubeconfig nobody.kubeconfig",
            "status -n relay-way --kubeconfig nobody.kubeconfig",
            "apply dev-1.tar --trust trust.toml --dry-run --kubeconfig deployer.kubeconfig",
            "apply dev-1.tar --trust trust.toml --yes --kubeconfig deployer.kubeconfig",
            "status -n relay-way --kubeconfig deployer.kubeconfig",
            "restart redis -n relay-way --yes --kubeconfig deployer.kubeconfig",
            "remove -n relay-way --yes --kubeconfig deployer.kubeconfig",
        ],
    );
    see(
        site,
        "rbac",
        &[
            "rbac dev-1.tar",
            "rbac dev-1.tar --json",
            "rbac --from-helm production-2.tar --service-account relay-way:deployer",
        ],
    );
}
