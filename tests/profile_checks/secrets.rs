//! Rules for secrets, sealed files and credentials in other values.

use std::collections::BTreeMap;

use relay_bundle::profile;

use super::sealed_files::{RECIPIENT, sealed_for, without_place};
use super::{Files, expect, findings, load_bytes, load_dev, load_strict, words};

#[test]
fn literal_secrets_are_for_development_only_and_never_shown() {
    let literal =
        "config.jwtSecret = \"hunter2-hunter2\"\nredis.auth.password = { value = \"hunter2\" }";
    expect(load_dev, &[(&format!("redis.auth.enabled = true\n{literal}"), &[])]);
    expect(load_strict, &[(literal, &["RB0201 config.jwtSecret", "RB0201 redis.auth.password"])]);
    assert!(!words(&load_strict(literal)).contains("hunter2"));
}

#[test]
fn existing_secret_must_not_belong_to_bundle() {
    let existing = |name: &str| {
        format!("config.jwtSecret = {{ existing = {{ name = \"{name}\", key = \"k\" }} }}")
    };
    expect(
        load_strict,
        &[
            (&existing("mine"), &[]),
            (&existing("claude-relay-secret"), &[]),
            (&existing("claude-relay-generated"), &["RB0203 config.jwtSecret.existing.name"]),
        ],
    );
}

#[test]
fn existing_secret_without_key_is_one_mistake() {
    let existing = "{ existing = { name = \"mine\" } }";
    let http = "storage.logs.fluentbit.output.type = \"http\"\n\
                [storage.logs.fluentbit.output.config]\nhost = \"collector\"\n";
    expect(
        load_strict,
        &[
            (&format!("config.jwtSecret = {existing}"), &["RB0005 config.jwtSecret.existing"]),
            (
                &format!("redis.auth.password = {existing}"),
                &["RB0005 redis.auth.password.existing"],
            ),
            (
                &format!("storage.logs.fluentbit.enabled = true\n{http}header = [{existing}]"),
                &["RB0005 storage.logs.fluentbit.output.config.header[0].existing"],
            ),
        ],
    );
}

#[test]
fn sealed_secret_must_be_small_age_file_for_one_place() {
    let sealed = BTreeMap::from([
        ("secrets/good.age".to_owned(), sealed_for("claude-relay/claude-relay-sealed/jwt-secret")),
        ("secrets/old.age".to_owned(), without_place()),
        ("secrets/moved.age".to_owned(), sealed_for("plant-7/claude-relay-sealed/jwt-secret")),
        (
            "secrets/swapped.age".to_owned(),
            sealed_for("claude-relay/claude-relay-sealed/admin-password"),
        ),
        ("secrets/cut.age".to_owned(), without_place()[..300].to_vec()),
        ("secrets/armour.age".to_owned(), b"-----BEGIN AGE ENCRYPTED FILE-----\nabc".to_vec()),
        ("secrets/clear.age".to_owned(), b"hunter2".to_vec()),
        (
            "secrets/large.age".to_owned(),
            [b"age-encryption.org/v1\n".to_vec(), vec![0; 65536]].concat(),
        ),
    ]);
    let loaded = |text: &str| {
        let profiles = BTreeMap::from([(
            "p".to_owned(),
            format!("release.environment = \"dev\"\n{text}").into_bytes(),
        )]);
        profile::load("p", &[], &Files { profiles, sealed: sealed.clone() })
    };
    let codes = |text: &str| {
        let loaded = loaded(text);
        (findings(&loaded), loaded.profile.map_or(0, |profile| profile.sealed.len()))
    };
    let one = |file: &str| format!("config.jwtSecret = {{ age = \"secrets/{file}.age\" }}");
    assert_eq!(codes(&one("good")), (vec![], 1));
    assert_eq!(codes(&one("old")), (vec!["RB0430 config.jwtSecret".to_owned()], 1));
    for (file, code) in [
        ("clear", "RB0211"),
        ("cut", "RB0211"),
        ("armour", "RB0211"),
        ("large", "RB0212"),
        ("missing", "RB0210"),
        ("moved", "RB0215"),
        ("swapped", "RB0215"),
    ] {
        assert_eq!(codes(&one(file)), (vec![format!("{code} config.jwtSecret")], 0));
        assert!(!words(&loaded(&one(file))).contains("hunter2"));
    }
    let both = format!("{}\nconfig.adminPassword = {{ age = \"secrets/good.age\" }}", one("good"));
    assert_eq!(codes(&both).0, ["RB0213 config.adminPassword"]);
}

#[test]
fn sealed_secret_is_for_every_seal_recipient() {
    let own = format!("\"{RECIPIENT}\"");
    let other = "\"age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa\"";
    let sealed = sealed_for("claude-relay/claude-relay-sealed/jwt-secret");
    for (keys, wanted) in [
        (own.clone(), vec![]),
        (String::new(), vec![]),
        (format!("{own}, {other}"), vec!["RB0431 config.jwtSecret"]),
        (other.to_owned(), vec!["RB0431 config.jwtSecret"]),
    ] {
        let text = format!(
            "release = {{ environment = \"dev\", sealRecipients = [{keys}] }}\nconfig.jwtSecret.age = \"secrets/a.age\""
        );
        let profiles = BTreeMap::from([("p".to_owned(), text.into_bytes())]);
        let sealed = BTreeMap::from([("secrets/a.age".to_owned(), sealed.clone())]);

        let loaded = profile::load("p", &[], &Files { profiles, sealed });

        assert_eq!(findings(&loaded), wanted, "{keys}");
    }
}

#[test]
fn credential_in_env_var_is_reported_outside_dev() {
    let variable =
        |name: &str| format!("extraEnv = [{{ name = \"{name}\", value = \"hunter2\" }}]");
    expect(load_dev, &[(&variable("LDAP_BIND_PASSWORD"), &[])]);
    let loaded = load_strict(&variable("LDAP_BIND_PASSWORD"));
    assert!(loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"));
    let loaded = load_strict(&variable("MY_TOKEN"));
    assert_eq!(findings(&loaded), ["RB0204 extraEnv[0].value"]);
    assert!(loaded.diagnostics.has_errors());
    let loaded =
        load_strict("extraEnv = [{ name = \"LDAP_URL\", value = \"ldap://u:hunter2@h\" }]");
    assert_eq!(findings(&loaded), ["RB0204 extraEnv[0].value"]);
    assert!(loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"));
}

#[test]
fn value_with_credential_is_refused_outside_dev() {
    let variable = |value: &str| format!("extraEnv = [{{ name = \"UPSTREAM\", value = {value} }}]");
    let annotation = |value: &str| format!("service.annotations.\"x.y/z\" = {value}");
    for value in [
        "'sk-ant-api03-hunter2hunter2'",
        "'{\"password\":\"hunter2\"}'",
        "'https://u:hunter2@x/'",
        "'proxy_set_header Authorization \"Bearer hunter2X\";'",
    ] {
        for (profile, finding) in [
            (variable(value), "RB0204 extraEnv[0].value"),
            (annotation(value), "RB0204 service.annotations.\"x.y/z\""),
        ] {
            let loaded = load_strict(&profile);
            assert_eq!(findings(&loaded), [finding], "{profile}");
            assert!(!words(&loaded).contains("hunter2"), "{profile}");
        }
    }
    expect(load_dev, &[(&annotation("'https://u:hunter2@x/'"), &[])]);
    for value in [
        "'basic-auth'",
        "'{\"secretName\":\"oidc\"}'",
        "'https://auth.example/oauth2/auth?rd=$escaped'",
    ] {
        assert_eq!(findings(&load_strict(&annotation(value))), [] as [&str; 0], "{value}");
    }
}

#[test]
fn config_map_url_must_not_contain_password() {
    let loaded = load_dev("config.priceMirrorBaseUrl = \"http://user:hunter2@proxy:3128\"");
    assert_eq!(findings(&loaded), ["RB0205 config.priceMirrorBaseUrl"]);
    assert!(loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"));
    // A value that is not a URL is not shown either.
    let loaded = load_dev("config.priceMirrorBaseUrl = \"socks://user:hunter2@proxy\"");
    assert!(
        loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"),
        "{}",
        words(&loaded)
    );
}

#[test]
fn missing_encrypted_file_gets_usable_remedy() {
    let loaded = load_strict("config.jwtSecret = { age = \"secrets/jwt.age\" }");
    assert_eq!(findings(&loaded), ["RB0210 config.jwtSecret"]);
    let said = format!(
        "{} {}",
        words(&loaded),
        relay_bundle::profile::codes::find("RB0210").unwrap().explanation
    );
    assert!(said.contains("folder of the profiles"), "{said}");
    assert!(said.contains("`relay-bundle secrets encrypt PROFILE KEY`"), "{said}");
}

#[test]
fn recovery_key_of_shipped_profiles_must_be_replaced() {
    let own = "\"age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms\"";
    let example = "\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"";
    let both = format!("{own}, {example}");
    for (environment, keys, wanted) in [
        ("production", own, None),
        ("production", example, Some("RB0418 release.recoveryRecipients[0]")),
        ("production", &both, Some("RB0418 release.recoveryRecipients[1]")),
        ("dev", example, Some("RB0418 release.recoveryRecipients[0]")),
    ] {
        for list in ["recoveryRecipients", "sealRecipients"] {
            let text =
                format!("release.environment = \"{environment}\"\nrelease.{list} = [{keys}]\n");
            let found = findings(&load_bytes(text.as_bytes()));
            let found = found.iter().find(|finding| finding.starts_with("RB0418"));
            let wanted = wanted.map(|wanted| wanted.replace("recoveryRecipients", list));
            assert_eq!(found, wanted.as_ref(), "{text}");
        }
    }
}

#[test]
fn encrypted_files_must_not_collide_in_bundle() {
    let file = || sealed_for("claude-relay/claude-relay-sealed/jwt-secret");
    for (one, other) in [("secrets/a/b.age", "secrets/a-b.age"), ("secrets/a.age", "a.age")] {
        let text = format!(
            "release.environment = \"dev\"\nconfig = {{ jwtSecret.age = \"{one}\", adminPassword.age = \"{other}\" }}"
        );
        let profiles = BTreeMap::from([("p".to_owned(), text.into_bytes())]);
        let sealed = BTreeMap::from([(one.to_owned(), file()), (other.to_owned(), file())]);

        let loaded = profile::load("p", &[], &Files { profiles, sealed });

        assert_eq!(findings(&loaded), ["RB0214 config.adminPassword"]);
        assert!(words(&loaded).contains("`config.jwtSecret`"), "{}", words(&loaded));
    }
}
