//! The visible parts of a profile's text: names, but no secrets.

#[path = "support/masked.rs"]
mod masked;

use masked::mask;

#[test]
fn names_of_secrets_are_shown() {
    for text in [
        "ingress.tls = [{ secretName = \"relay-tls\", hosts = [\"a.example.com\"] }]",
        "imagePullSecrets = [{ name = \"regcred\" }]",
        "config.jwtSecret = { existing = { name = \"mine\", key = \"jwt\", revision = 2 } }",
        "config.encryptionKey.age = \"secrets/key.age\"",
        "[redis.auth]\nenabled = true\npassword = { generate = { length = 40 } }",
        "extraEnv = [{ name = \"A\", valueFrom = { secretKeyRef = { name = \"s\", key = \"k\" } } }]",
        "extraVolumes = [{ name = \"v\", secret = { secretName = \"s\", items = [{ key = \"k\", path = \"p\" }] } }]",
        "serviceAccount.tokenExpirationSeconds = 3600",
    ] {
        assert_eq!(mask(text), text);
    }
}

#[test]
fn secrets_are_masked_regardless_of_type_and_position() {
    for text in [
        "config.jwtSecret = \"73313\"",
        "config.jwtSecret = 73313",
        "config.jwtSecret = { value = \"73313\", revision = 1 }",
        "config.jwtSecret = { existing = \"73313\" }",
        "jwtSecret = { secretName = \"73313\" }",
        "[storage.logs.fluentbit.output.config]\nhttp_passwd = \"73313\"",
        "extraEnv = [{ name = \"LDAP_PASSWORD\", value = \"73313\" }]",
    ] {
        let shown = mask(text);
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("73313"), "{shown}");
    }
}

#[test]
fn text_that_does_not_parse_shows_lines_of_known_words_only() {
    let shown = mask(
        "adminPassword = \"73313\nreplicaCount 3\nlogLevel = \"73313\"\nx = [\npassword = 73313 73313\n",
    );
    assert!(!shown.contains("73313"), "{shown}");
    assert!(shown.contains("replicaCount 3"), "{shown}");
}
