//! `trust.toml`: its valid content, and the errors for invalid content.

use relay_bundle::trust::policy::{
    KEYS_MAX, KeyStatus, POLICY_BYTES_MAX, Pattern, Policy, PolicyTarget, SCHEMA,
};

use super::world::{key, time};

const UID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Returns a policy with every possible key.
fn complete() -> String {
    let [first, second] = [1, 2].map(|seed| key(seed).public());
    let content = "a".repeat(64);
    format!(
        r#"schema = "{SCHEMA}"
[target]
site = "plant-7"
clusterUid = "{UID}"
[policy]
maxAgeDays = 180
[[key]]
id = "{one}"
public = "{one_public}"
holder = "build-desk"
notBefore = "2026-01-01T00:00:00Z"
notAfter = "2027-12-31T00:00:00Z"
status = "retired"
[[key]]
id = "{two}"
public = "{two_public}"
holder = "approver"
[[grant]]
bundles = ["claude-relay", "claude-*"]
profiles = ["production"]
environments = ["production"]
keys = ["{one}", "{two}"]
threshold = 2
minSerial = 7
[[revokedContent]]
sha256 = "{content}"
"#,
        one = first.id(),
        one_public = first.to_base64(),
        two = second.id(),
        two_public = second.to_base64(),
    )
}

fn changed(from: &str, to: &str) -> String {
    let text = complete();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// Returns the error message, with its line.
fn error(text: &str) -> String {
    Policy::parse(text).expect_err(text).to_string()
}

#[test]
fn complete_policy_is_read() {
    let policy = Policy::parse(&complete()).unwrap();

    assert_eq!(policy.target.site.as_ref().unwrap().as_str(), "plant-7");
    assert_eq!(policy.target.cluster_uid.as_deref(), Some(UID));
    assert_eq!(
        policy.too_old_after(time("2026-11-22T10:00:00Z")),
        Some(time("2027-05-21T10:00:00Z"))
    );
    let (first, second) =
        (&policy.keys()[&key(1).public().id()], &policy.keys()[&key(2).public().id()]);
    assert_eq!((first.holder.as_str(), first.status), ("build-desk", KeyStatus::Retired));
    assert_eq!(
        (second.not_before, second.not_after, second.status),
        (None, None, KeyStatus::Active)
    );
    let [grant] = policy.grants() else { panic!("there is one grant") };
    assert_eq!((grant.threshold.get(), grant.min_serial, grant.keys.len()), (2, 7, 2));
    assert_eq!(policy.revoked_content().len(), 1);
}

#[test]
fn omitted_settings_are_not_checked() {
    let policy = Policy::parse(&format!("schema = \"{SCHEMA}\"\n")).unwrap();

    assert_eq!(policy.target, PolicyTarget::default());
    assert!(
        policy.max_age_days.is_none() && policy.keys().is_empty() && policy.grants().is_empty()
    );
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    let one = key(1).public().id();
    let three = key(3).public();
    let one_public = key(1).public().to_base64();
    // The neutral element, and y = p + 1, its second encoding.
    let weak = "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let ambiguous = "MCowBQYDK2VwAyEA7v///////////////////////////////////////38=";
    let is_not = format!("line 7: `public` of the key {one}: it is not");
    let table = [
        (changed("schema = ", "# "), "missing field `schema`"),
        (changed("trust/v1", "trust/v2"), "line 1: unsupported schema `relay-bundle/trust/v2`"),
        (changed("[target]", "[target"), "line 2: "),
        (changed("plant-7", "Plant 7"), "line 3: `Plant 7` is not valid here"),
        (
            changed("site =", "place ="),
            "line 3: unknown field `place`, expected `site` or `clusterUid`",
        ),
        (
            changed(UID, "0F8FAD5B-D9CB-469F-A165-70867728950E"),
            "line 4: `0F8FAD5B-D9CB-469F-A165-70867728950E` is not a uid",
        ),
        (changed(UID, "prod"), "line 4: `prod` is not a uid; print the cluster's with `kubectl"),
        (changed("= 180", "= 0"), "line 6: "),
        (changed("= 180", "= -1"), "line 6: "),
        (changed("maxAgeDays", "maxAge"), "line 6: unknown field `maxAge`, expected `maxAgeDays`"),
        (
            changed("[policy]", "[rules]"),
            "line 5: unknown field `rules`, expected one of `schema`, `target`, `policy`, `key`, `grant`, `revokedContent`",
        ),
        (
            changed(&format!("id = \"{one}\""), &format!("id = \"{}\"", three.id())),
            "line 7: the key has",
        ),
        (changed(&format!("id = \"{one}\""), "id = \"12\""), "line 8: "),
        (
            changed(
                &format!("id = \"{one}\""),
                &format!("id = \"{}\"", one.to_string().to_uppercase()),
            ),
            "line 8: ",
        ),
        (changed(&one_public, "%"), &format!("{is_not} base64")),
        (changed(&one_public, "AAAA"), &format!("{is_not} an Ed25519 key")),
        (changed(&one_public, weak), "it is weak"),
        (changed(&one_public, ambiguous), "not the canonical encoding"),
        (changed("holder = \"build-desk\"\n", ""), "line 7: missing field `holder`"),
        (changed("build-desk", "Build Desk"), "line 10: "),
        (changed("2026-01-01T00:00:00Z", "2026-01-01"), "line 11: `2026-01-01` is not a UTC time"),
        (
            changed("2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
            "is never valid: `notBefore` 2028",
        ),
        (
            changed("\"retired\"", "\"old\""),
            "line 13: unknown variant `old`, expected one of `active`, `retired`, `revoked`",
        ),
        (
            changed("holder = \"approver\"", "owner = \"approver\""),
            "line 17: unknown field `owner`, expected one of `id`, `public`, `holder`, `notBefore`, `notAfter`, `status`",
        ),
        (
            changed("bundles = [\"claude-relay\", \"claude-*\"]", "bundles = []"),
            "line 18: the grant's `bundles` is empty",
        ),
        (
            changed("profiles = [\"production\"]", "profiles = []"),
            "line 18: the grant's `profiles` is empty",
        ),
        (
            changed("environments = [\"production\"]", "environments = []"),
            "line 18: the grant's `environments` is empty",
        ),
        (
            changed("\"claude-*\"", "\"claude-relay\""),
            "line 18: the grant's `bundles` has a duplicate `claude-relay`",
        ),
        (
            changed(&key(2).public().id().to_string(), &three.id().to_string()),
            "line 14: the key has",
        ),
        (changed("\"claude-*\"", "\"*\""), "line 19: `*` is not a pattern"),
        (changed("threshold = 2\n", ""), "line 18: missing field `threshold`"),
        (changed("threshold = 2", "threshold = 0"), "line 23: "),
        (
            changed("minSerial = 7", "minSerial = 9007199254740992"),
            "line 18: `minSerial` is 9007199254740992",
        ),
        (
            changed("minSerial = 7", "minimum = 7"),
            "line 24: unknown field `minimum`, expected one of `bundles`, `profiles`, `environments`, `namespaces`, `keys`, `threshold`, `minSerial`",
        ),
        (changed(&"a".repeat(64), "a"), "line 26: "),
        (changed("threshold = 2", "threshold = 2\nthreshold = 1"), "line 24: duplicate key"),
    ];
    for (text, wanted) in table {
        let found = error(&text);
        assert!(found.contains(wanted), "wanted {wanted:?}, and found {found:?}");
    }
}

#[test]
fn grant_keys_are_policy_keys_without_duplicates() {
    let [one, two] = [1, 2].map(|seed| key(seed).public().id());
    let keys = format!("keys = [\"{one}\", \"{two}\"]");
    let stranger = key(3).public().id();

    let wrong = error(&changed(&keys, &format!("keys = [\"{stranger}\"]")));
    assert_eq!(
        wrong,
        format!("line 18: the grant refers to the key {stranger}, but no `[[key]]` has that id")
    );
    let wrong = error(&changed(&keys, &format!("keys = [\"{one}\", \"{one}\"]")));
    assert_eq!(wrong, format!("line 18: the grant's `keys` has a duplicate `{one}`"));
    assert!(
        error(&changed(&keys, "keys = []")).starts_with("line 18: the grant's `keys` is empty")
    );
}

#[test]
fn policy_keys_are_unique_and_limited_in_number() {
    let line = |seed: u8| {
        let public = key(seed).public();
        format!(
            "[[key]]\nid = \"{}\"\npublic = \"{}\"\nholder = \"a\"\n",
            public.id(),
            public.to_base64()
        )
    };
    let head = format!("schema = \"{SCHEMA}\"\n");

    let twice = error(&format!("{head}{}{}", line(1), line(1)));
    assert_eq!(twice, format!("line 6: duplicate key {}", key(1).public().id()));
    let all: String = (0..=255).map(line).collect();
    assert_eq!(Policy::parse(&format!("{head}{all}")).unwrap().keys().len(), KEYS_MAX);
    let public = relay_bundle::trust::key::PrivateKey::from_seed(
        &[[1; 16], [2; 16]].concat().try_into().unwrap(),
    )
    .public();
    let more = format!(
        "[[key]]\nid = \"{}\"\npublic = \"{}\"\nholder = \"a\"\n",
        public.id(),
        public.to_base64()
    );
    assert_eq!(error(&format!("{head}{all}{more}")), "it has 257 keys; the limit is 256");
}

#[test]
fn hostile_texts_are_refused_and_overflow_no_stack() {
    let depth = "{ a.".repeat(200) + "a";
    let dotted = format!("{}a = 1", "a.".repeat(100_000));
    let tables = format!("[{}a]\nx = {}", "a.".repeat(78), "{ a.a.a.a.a = ".repeat(70));
    for text in [format!("x = {depth}"), format!("x = {}", "[".repeat(500_000)), dotted, tables] {
        assert!(error(&text).contains("nested more than 32 levels deep"));
    }
    let large = "#".repeat(usize::try_from(POLICY_BYTES_MAX).unwrap() + 1);
    assert_eq!(error(&large), "it has 1048577 bytes; the limit is 1048576");
    assert!(error(&large[1..]).contains("missing field `schema`"));
    for text in ["", "\0", "schema", "\u{feff}schema = 1", "key = 1"] {
        assert!(Policy::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn pattern_is_name_or_prefix() {
    let pattern = |text: &str| text.parse::<Pattern>();
    for (text, name, wanted) in [
        ("claude-relay", "claude-relay", true),
        ("claude-relay", "claude-relay-2", false),
        ("claude-*", "claude-relay", true),
        ("claude-*", "claude", false),
        ("claude-*", "xclaude-relay", false),
        ("a-b-*", "a-b-c", true),
        ("a-b-*", "a-bc", false),
    ] {
        assert_eq!(pattern(text).unwrap().matches(name), wanted, "{text} {name}");
        assert_eq!(pattern(text).unwrap().to_string(), text);
    }
    for text in ["", "*", "-*", "a*", "*-a", "a-*-b", "a-**", "A", "a b", "a.b", "claude-*\n"] {
        assert!(pattern(text).is_err(), "{text:?}");
    }
}
