//! Adoption of a Helm release: refused, planned, interrupted, abandoned and done.

use super::{see, see_asked};
use crate::control_plane::own_control_plane;
use crate::helm::{ADMIN, Helm, RELEASE};
use crate::proxy::{Fault, Proxy, When};
use crate::site::Site;
use crate::started::spawn;

#[test]
fn adoption_commands_match_snapshots() {
    let Some(own) = own_control_plane() else { return };
    let site = Site::on(own.plane, "relay-helm");
    let Some(helm) = Helm::install_at(site, &[ADMIN]) else { return };
    helm.build(&[]);
    helm.build(&["fullnameOverride=\"another\""]);
    see(
        &helm.site,
        "adopt_refused",
        &[
            "adopt --from-helm claude-relay production-1.tar --trust trust.toml --yes",
            "adopt --from-helm claude-relay production-2.tar --trust trust.toml --yes --recreate-redis",
            "adopt --from-helm other production-1.tar --trust trust.toml --yes --recreate-redis",
            "apply production-1.tar --trust trust.toml --yes",
        ],
    );
    see(
        &helm.site,
        "adopt_dry_run",
        &[
            "adopt --from-helm claude-relay production-1.tar --trust trust.toml --dry-run",
            "adopt --from-helm claude-relay production-1.tar --trust trust.toml --dry-run --json",
        ],
    );

    let adopt = "adopt --from-helm claude-relay production-1.tar --trust trust.toml";
    see_asked(&helm.site, "adopt_asked", &[(adopt, &["y", "n"])]);

    interrupt(&helm);
    see(
        &helm.site,
        "adopt_interrupted",
        &[
            "status -n relay-helm",
            "apply production-1.tar --trust trust.toml --yes --break-lock",
            "remove -n relay-helm --yes",
        ],
    );
    see(
        &helm.site,
        "adopt_abandon",
        &[
            "remove -n relay-helm --abandon --dry-run",
            "remove -n relay-helm --abandon --dry-run --json",
            "remove -n relay-helm --abandon --break-lock --yes",
            "remove -n relay-helm --abandon --yes",
        ],
    );
    see(
        &helm.site,
        "adopt",
        &[
            "adopt --from-helm claude-relay production-1.tar --trust trust.toml --yes --recreate-redis",
            "adopt --from-helm claude-relay production-1.tar --trust trust.toml --yes --recreate-redis",
            "status -n relay-helm",
        ],
    );
}

/// Kills an adoption before it writes the first workload.
fn interrupt(helm: &Helm) {
    let proxy = Proxy::before(helm.site.plane, |seen| {
        let is_workload = seen.method == "PATCH" && seen.path.contains("/deployments/");
        if is_workload && seen.is_write() { Fault::Kill(When::Before) } else { Fault::None }
    });
    let arguments = ["adopt", "--from-helm", RELEASE, "production-1.tar", "--recreate-redis"];
    assert_eq!(spawn(helm.site.path(), &proxy, &arguments).end().code, None);
    // The run had recreated Redis' StatefulSet.
    helm.site.await_rollout("statefulset/claude-relay-redis");
}
