//! Secrets: made, sealed, saved, lost and brought back.

use super::{see, see_asked};
use crate::vault::{GENERATED, Vault};

#[test]
fn secrets_commands_match_snapshots() {
    let Some(vault) = Vault::new("relay-loki") else { return };
    let site = &vault.site;
    let sealed = vault.seal("config.jwtSecret", "a-value-for-tests-of-many-letters");
    vault.profile(&[&sealed]);
    vault.build();

    make(&vault);
    check(&vault);
    save(&vault);
    see(
        site,
        "remove_secrets_stay",
        &["remove -n relay-loki --dry-run", "remove -n relay-loki --yes"],
    );
}

fn make(vault: &Vault) {
    see(
        &vault.site,
        "secrets_init_refused",
        &[
            "secrets init loki-logging-1.tar --trust trust.toml --yes",
            "secrets init loki-logging-1.tar --trust trust.toml --first-install --yes",
            "secrets init loki-logging-1.tar --trust trust.toml --identity key --yes",
            "secrets init loki-logging-1.tar --trust trust.toml --identity other --first-install --yes",
            "apply loki-logging-1.tar --trust trust.toml --yes",
            "apply loki-logging-1.tar --trust trust.toml --first-install --yes",
            "apply loki-logging-1.tar --trust trust.toml --identity key --yes",
        ],
    );
    see_asked(
        &vault.site,
        "first_installation_asked",
        &[
            ("secrets init loki-logging-1.tar --trust trust.toml --identity key", &["y", "no"]),
            ("apply loki-logging-1.tar --trust trust.toml --identity key", &["y", "no"]),
        ],
    );
    see(
        &vault.site,
        "secrets_init",
        &[
            "secrets init loki-logging-1.tar --trust trust.toml --identity key --first-install --dry-run",
            "secrets init loki-logging-1.tar --trust trust.toml --identity key --first-install --dry-run --json",
            "secrets init loki-logging-1.tar --trust trust.toml --identity key --first-install --yes",
            "secrets init loki-logging-1.tar --trust trust.toml --identity key --yes",
            "secrets init loki-logging-1.tar --trust trust.toml --identity key --yes --json",
        ],
    );
    see(
        &vault.site,
        "apply_secrets_there",
        &[
            "apply loki-logging-1.tar --trust trust.toml --dry-run",
            "apply loki-logging-1.tar --trust trust.toml --yes",
        ],
    );
}

fn check(vault: &Vault) {
    see(
        &vault.site,
        "secrets_check",
        &[
            "secrets check loki-logging-1.tar",
            "secrets check loki-logging-1.tar --identity key",
            "secrets check loki-logging-1.tar --identity key --json",
            "secrets check loki-logging-1.tar --identity other",
        ],
    );
}

/// Saves the secrets, loses one, and brings it back.
fn save(vault: &Vault) {
    let site = &vault.site;
    see(
        site,
        "secrets_backup",
        &[
            "secrets backup -n relay-loki --trust trust.toml --recovery-file secrets.age",
            "secrets backup loki-logging-1.tar --trust trust.toml --recovery-file secrets.age --json",
        ],
    );
    site.takes_away_what_pods_name();
    site.plane.kubectl(&["-n", "relay-loki", "delete", "secret", GENERATED]);
    see(
        site,
        "secrets_lost",
        &[
            "status -n relay-loki",
            "status -n relay-loki --json",
            "apply loki-logging-1.tar --trust trust.toml --yes",
        ],
    );
    let restore =
        "secrets restore loki-logging-1.tar secrets.age --trust trust.toml --identity key";
    see_asked(site, "secrets_restore_asked", &[(restore, &["n"])]);
    see(
        site,
        "secrets_restore",
        &[
            "secrets restore loki-logging-1.tar secrets.age --trust trust.toml --identity other --yes",
            "secrets restore loki-logging-1.tar secrets.age --trust trust.toml --identity key --dry-run",
            "secrets restore loki-logging-1.tar secrets.age --trust trust.toml --identity key --yes",
            "secrets restore loki-logging-1.tar secrets.age --trust trust.toml --identity key --yes --json",
            "status -n relay-loki",
        ],
    );
}
