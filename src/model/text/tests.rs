use super::*;

fn accepts<T: TryFrom<String>>(good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(T::try_from((*text).to_owned()).is_ok(), "{text:?} should be accepted");
    }
    for text in bad {
        assert!(T::try_from((*text).to_owned()).is_err(), "{text:?} should be refused");
    }
}

#[test]
fn names_follow_kubernetes_rules() {
    accepts::<ReleaseName>(
        &["a", "claude-relay", "a1"],
        &["", "1a", "-a", "a-", "A", "a.b", "a\n", &"a".repeat(46)],
    );
    accepts::<Label>(&["1", "kube-system"], &["", "a_b", "a.b", "Ü", &"a".repeat(64)]);
    accepts::<ObjectName>(&["", "a.b", "x-1"], &[".", "a..b", "a.", "-a"]);
    accepts::<DataKey>(&["tls.crt", "A_b"], &["", "a/b", "..", "ä"]);
}

#[test]
fn hosts_have_no_scheme_and_no_port() {
    accepts::<Host>(
        &["redis.example.internal", "10.0.0.1", "fd00::1", "Redis", ""],
        &["redis:6379", "redis://x", "a b", "-x", "10.0.0", "$(id)"],
    );
    accepts::<RouteHost>(
        &["relay.example.internal", "*.example.internal", ""],
        &["*", "a.*.b", "10.0.0.1", "Relay", "x/y", "x:80"],
    );
}

#[test]
fn images_are_written_in_parts() {
    accepts::<Repository>(
        &["redis", "library/redis", "r.example.internal:5000/a/b_c", "localhost/x", "a__b/c---d"],
        &[
            "",
            "a___b",
            "a._b",
            "a-",
            "redis:8",
            "Redis",
            "a//b",
            "a@sha256",
            "/a",
            "r.example.internal:0/x",
        ],
    );
    accepts::<Tag>(&["", "v1.2", "_x"], &[".x", "a b", "a:b", &"a".repeat(129)]);
    accepts::<ImageDigest>(
        &["", &format!("sha256:{}", "0".repeat(64))],
        &["sha256:00", &format!("sha256:{}", "G".repeat(64))],
    );
    accepts::<Registry>(&["", "r.example.internal:5000/mirror"], &["https://r", "r/", "r:99999"]);
}

#[test]
fn durations_and_sizes_have_units() {
    assert_eq!(prometheus_milliseconds("1m30s"), Some(90_000));
    assert_eq!(prometheus_milliseconds("500ms"), Some(500));
    accepts::<PrometheusDuration>(
        &["30s", "1h"],
        &["", "30", "0s", "s", "1s1m", "-1s", "1.5s", "99999999999y"],
    );
    accepts::<LogSize>(&["10m", "1g"], &["", "10", "m", "0m", "10mb", "+1m", "99999999999g"]);
}

#[test]
fn weak_or_noncanonical_recipient_is_refused() {
    accepts::<AgeRecipient>(
        &[],
        &[
            "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
            "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya",
            "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9",
            "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz9ts6wm9s8",
            "age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m",
            "age1ahlllllllllllllllllllllllllllllllllllllllllllllllalsn46ayy",
            "age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv",
            "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqsuwj9m",
            "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9apxwfd6n",
        ],
    );
}

#[test]
fn address_ranges_are_written_out() {
    accepts::<Cidr>(&["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "x/8"]);
}

#[test]
fn age_recipient_checksum_must_be_valid() {
    accepts::<AgeRecipient>(
        &["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
        &["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q", "age1", ""],
    );
}
