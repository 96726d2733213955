use super::super::{Output, Problem, ProblemKind, Severity, Version, check, parse_tag};
use super::{Settings, secret, settings};
use ProblemKind::{
    Conflict, DuplicateProperty, ForbiddenCharacter, InvalidValue, MaybeTooNew, MissingProperty,
    NoEffect, Reserved, Risky, SecretLiteral, TooNew, UnknownProperty, UnknownToLibrdkafka,
    Unsupported, Variable, WrongType,
};

fn image(tag: &str) -> Option<Version> {
    parse_tag(tag).expect("new enough")
}

fn problems(output: Output, config: &Settings) -> Vec<Problem> {
    check(output, image("5.1.1"), config)
}

fn kinds(output: Output, config: &Settings) -> Vec<(String, ProblemKind)> {
    problems(output, config).into_iter().map(|problem| (problem.key, problem.kind)).collect()
}

fn only(output: Output, config: &Settings) -> Problem {
    let mut found = problems(output, config);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Returns the minimal settings that each output accepts without a problem.
fn least(output: Output) -> Settings {
    match output {
        Output::Stdout => settings! {},
        Output::Forward | Output::Es | Output::Loki | Output::Http => {
            settings! { "host" = "logs.example.internal" }
        }
        Output::Kafka => settings! { "brokers" = "kafka.example.internal:9092" },
        Output::S3 => settings! { "bucket" = "relay-logs", "region" = "eu-central-1" },
    }
}

fn with(output: Output, more: Settings) -> Settings {
    let mut all = least(output);
    all.extend(more);
    all
}

#[test]
fn the_least_configuration_of_each_output_is_accepted() {
    for output in Output::ALL {
        assert_eq!(problems(output, &least(output)), [], "{}", output.name());
    }
}

#[test]
fn the_charts_examples_are_accepted_once_their_credentials_are_secrets() {
    let cases = [
        (Output::Stdout, settings! { "Format" = "json_lines" }),
        (
            Output::Forward,
            settings! {
                "Host" = "fluentd.example.internal", "Port" = 24224, "Shared_Key" = secret("OUT_SHARED_KEY"),
                "tls" = "On", "tls.verify" = "On", "Require_ack_response" = true,
            },
        ),
        (
            Output::Es,
            settings! {
                "Host" = "es.example.internal", "Port" = 9200, "HTTP_User" = "elastic",
                "HTTP_Passwd" = secret("OUT_HTTP_PASSWD"), "Logstash_Format" = "On",
                "Logstash_Prefix" = "claude-relay", "tls" = "On", "Retry_Limit" = false,
            },
        ),
        (
            Output::Loki,
            settings! {
                "Host" = "loki.monitoring.svc.cluster.local", "Port" = 3100, "URI" = "/loki/api/v1/push",
                "Labels" = "job=claude-relay,environment=production",
            },
        ),
        (
            Output::Http,
            settings! {
                "Host" = "logs.example.internal", "Port" = "443", "URI" = "/ingest", "Format" = "json",
                "Header" = [secret("OUT_HEADER_0"), "X-Site plant-7".into()], "tls" = "yes", "Compress" = "gzip",
            },
        ),
        (
            Output::Kafka,
            settings! {
                "Brokers" = "k0.example.internal:9092,k1.example.internal:9092", "Topics" = "relay-logs",
                "Timestamp_Key" = "@timestamp", "rdkafka.compression.codec" = "snappy",
                "rdkafka.sasl.password" = secret("OUT_SASL"), "rdkafka.request.required.acks" = -1,
                "RDKAFKA.Client.Id" = "relay", "rdkafka.enable.idempotence" = true,
            },
        ),
        (
            Output::S3,
            settings! {
                "bucket" = "relay-logs", "region" = "us-west-2", "total_file_size" = "50M", "upload_timeout" = "10m",
                "use_put_object" = "On", "s3_key_format" = "/claude-relay/%Y/%m/%d/$UUID.gz",
            },
        ),
    ];
    for (output, config) in cases {
        assert_eq!(problems(output, &config), [], "{}", output.name());
    }
}

#[test]
fn d16c_the_charts_loki_example_with_options_of_another_plugin_is_refused_with_the_remedy() {
    let config = settings! {
        "Host" = "loki.example.internal", "BatchWait" = 1, "BatchSize" = 1_001_024, "LineFormat" = "json",
    };

    let found = problems(Output::Loki, &config);

    let by_key: Vec<_> = found.iter().map(|problem| (problem.key.as_str(), problem.kind)).collect();
    let wanted = [
        ("BatchSize", UnknownProperty),
        ("BatchWait", UnknownProperty),
        ("LineFormat", UnknownProperty),
    ];
    assert_eq!(by_key, wanted);
    assert!(found[0].help.contains("every flush"), "{}", found[0].help);
    assert!(found[2].help.contains("line_format"), "{}", found[2].help);
}

#[test]
fn an_unknown_property_gets_the_nearest_name_or_the_output_that_has_it() {
    let cases = [
        (Output::Es, "HTTP_Paswd", "did you mean `http_passwd`?"),
        (Output::Http, "http-passwd", "did you mean `http_passwd`?"),
        (Output::Forward, "SharedKey", "did you mean `shared_key`?"),
        (Output::S3, "retrylimit", "did you mean `retry_limit`?"),
        (Output::Http, "tls.verfy", "did you mean `tls.verify`?"),
        (Output::Forward, "logstash_prefix_separator", "use the output that has it: es"),
        (Output::Http, "rdkafka.acks", "remove it"),
        (Output::Stdout, "completely_different", "remove it"),
    ];
    for (output, key, help) in cases {
        let mut config = least(output);
        config.insert(key.to_owned(), "x".into());
        let problem = only(output, &config);

        assert_eq!(problem.kind, UnknownProperty, "{key}");
        assert!(problem.help.contains(help), "{key}: {}", problem.help);
    }
}

#[test]
fn a_property_in_two_spellings_is_refused() {
    let config = with(Output::Http, settings! { "URI" = "/a", "uri" = "/b" });

    assert_eq!(kinds(Output::Http, &config), [("uri".to_owned(), DuplicateProperty)]);
}

#[test]
fn values_that_fluent_bit_would_refuse_or_misread_are_refused() {
    let cases: &[(Output, Settings, ProblemKind)] = &[
        (Output::Http, settings! { "port" = 0 }, InvalidValue),
        (Output::Http, settings! { "port" = 65536 }, InvalidValue),
        (Output::Http, settings! { "port" = "http" }, InvalidValue),
        (Output::Http, settings! { "port" = true }, WrongType),
        (Output::Http, settings! { "tls" = 1 }, WrongType),
        (Output::Http, settings! { "tls" = "1" }, InvalidValue),
        (Output::Http, settings! { "tls" = "enabled" }, InvalidValue),
        (Output::Http, settings! { "format" = "jsonl" }, InvalidValue),
        (Output::Http, settings! { "format" = 3 }, WrongType),
        (Output::Http, settings! { "compress" = "lz4" }, InvalidValue),
        (Output::Http, settings! { "host" = "https://logs.example.internal" }, InvalidValue),
        (Output::Http, settings! { "host" = "logs.example.internal:443" }, InvalidValue),
        (Output::Http, settings! { "header" = "X-Site: plant-7" }, InvalidValue),
        (Output::Http, settings! { "header" = "X-Site" }, InvalidValue),
        (Output::Http, settings! { "header" = ["X-Site plant-7".into(), 5.into()] }, WrongType),
        (Output::Http, settings! { "header" = [] }, InvalidValue),
        (Output::Http, settings! { "uri" = ["/a".into(), "/b".into()] }, WrongType),
        (Output::Http, settings! { "uri" = "" }, InvalidValue),
        (Output::Http, settings! { "uri" = " " }, InvalidValue),
        (Output::Http, settings! { "proxy" = "proxy.example.internal:3128" }, InvalidValue),
        (Output::Http, settings! { "http.response_timeout" = "500ms" }, InvalidValue),
        (Output::Http, settings! { "net.keepalive_idle_timeout" = -1 }, InvalidValue),
        (Output::Http, settings! { "tls.debug" = 5 }, InvalidValue),
        (Output::Http, settings! { "retry_limit" = 0 }, InvalidValue),
        (Output::Http, settings! { "retry_limit" = "-3" }, InvalidValue),
        (Output::Http, settings! { "retry_limit" = "no" }, InvalidValue),
        (Output::Http, settings! { "retry_limit" = true }, WrongType),
        (Output::Http, settings! { "storage.total_limit_size" = "1.5G" }, InvalidValue),
        (Output::Http, settings! { "storage.total_limit_size" = "512Mi" }, InvalidValue),
        (Output::Http, settings! { "log_level" = "verbose" }, InvalidValue),
        (Output::Http, settings! { "http_user" = true }, WrongType),
        (Output::Es, settings! { "buffer_size" = "lots" }, InvalidValue),
        (Output::Es, settings! { "write_operation" = "delete" }, InvalidValue),
        (Output::Forward, settings! { "compress" = "lz4" }, InvalidValue),
        (Output::Forward, settings! { "add_option" = "key" }, InvalidValue),
        (Output::Loki, settings! { "line_format" = "logfmt" }, InvalidValue),
        (Output::Loki, settings! { "labels" = ["a=b".into()] }, WrongType),
        (Output::Loki, settings! { "uri" = "loki/api/v1/push" }, InvalidValue),
        (Output::Loki, settings! { "compress" = "snappy" }, InvalidValue),
        (Output::Kafka, settings! { "format" = "avro" }, InvalidValue),
        (Output::Kafka, settings! { "rdkafka." = "x" }, UnknownProperty),
        (Output::Kafka, settings! { "rdkafka.a b" = "x" }, UnknownProperty),
        (Output::S3, settings! { "total_file_size" = "999K" }, InvalidValue),
        (Output::S3, settings! { "total_file_size" = "51G" }, InvalidValue),
        (Output::S3, settings! { "upload_chunk_size" = "5M" }, InvalidValue),
        (Output::S3, settings! { "compression" = "bzip2" }, InvalidValue),
        (Output::S3, settings! { "s3_key_format" = "logs/%Y" }, InvalidValue),
    ];
    for (output, more, kind) in cases {
        let problem = only(*output, &with(*output, more.clone()));

        assert_eq!(
            (problem.kind, problem.severity()),
            (*kind, Severity::Error),
            "{more:?}: {problem:?}"
        );
        assert!(!problem.help.is_empty());
    }
}

#[test]
fn values_in_every_form_that_fluent_bit_reads_are_accepted() {
    let cases = [
        (Output::Http, settings! { "tls" = "YES" }),
        (Output::Http, settings! { "port" = "8443" }),
        (Output::Http, settings! { "host" = "2001:db8::7" }),
        (Output::Http, settings! { "json_date_key" = false }),
        (Output::Http, settings! { "retry_limit" = 7 }),
        (Output::Http, settings! { "retry_limit" = "No_Retries" }),
        (Output::Http, settings! { "format" = "JSON_Lines" }),
        (Output::Http, settings! { "proxy" = "http://proxy.example.internal:3128" }),
        (Output::Http, settings! { "net.tcp_keepalive_time" = -1 }),
        (Output::Es, settings! { "buffer_size" = false }),
        (Output::Es, settings! { "buffer_size" = "512KB" }),
        (Output::Loki, settings! { "drop_single_key" = "raw" }),
        (Output::Loki, settings! { "drop_single_key" = true }),
        (Output::Loki, settings! { "tenant_id" = 42 }),
        (Output::Forward, settings! { "add_option" = ["a 1".into(), "b 2".into()] }),
        (Output::Kafka, settings! { "queue_full_retries" = -1 }),
    ];
    for (output, more) in cases {
        assert_eq!(problems(output, &with(output, more.clone())), [], "{more:?}");
    }
}

#[test]
fn what_is_required_is_asked_for() {
    let cases = [
        (Output::Forward, "host", MissingProperty),
        (Output::Es, "host", MissingProperty),
        (Output::Loki, "host", MissingProperty),
        (Output::Http, "host", MissingProperty),
        (Output::Kafka, "brokers", MissingProperty),
    ];
    for (output, key, kind) in cases {
        assert_eq!(kinds(output, &settings! {}), [(key.to_owned(), kind)], "{}", output.name());
    }
    let of_s3 = [("bucket".to_owned(), MissingProperty), ("region".to_owned(), Risky)];
    assert_eq!(kinds(Output::S3, &settings! {}), of_s3);
}

#[test]
fn a_host_is_not_required_where_something_else_says_where_to_send() {
    let elastic_cloud = settings! { "cloud_id" = "site:ZXhhbXBsZQ==" };
    let socket = settings! { "unix_path" = "/var/run/fluent.sock" };

    assert_eq!(problems(Output::Es, &elastic_cloud), []);
    assert_eq!(problems(Output::Forward, &socket), []);
}

#[test]
fn a_credential_in_plain_sight_is_reported_and_never_repeated() {
    let cases = [
        (Output::Forward, "Shared_Key"),
        (Output::Forward, "password"),
        (Output::Es, "http_passwd"),
        (Output::Es, "cloud_auth"),
        (Output::Es, "HTTP_API_Key"),
        (Output::Loki, "bearer_token"),
        (Output::Http, "oauth2.client_secret"),
        (Output::Http, "tls.key_passwd"),
        (Output::Kafka, "rdkafka.sasl.password"),
        (Output::Kafka, "RDKAFKA.SSL.Key.Password"),
        (Output::S3, "authorization_endpoint_bearer_token"),
    ];
    for (output, key) in cases {
        let mut config = with(output, settings! { "tls" = true });
        if !output.is_network() || output == Output::S3 {
            config.remove("tls");
        }
        config.insert(key.to_owned(), "hunter2".into());
        let problem = only(output, &config);

        assert_eq!(problem.kind, SecretLiteral, "{key}");
        assert!(!format!("{problem:?}").contains("hunter2"));
        config.insert(key.to_owned(), secret("OUT_X"));
        assert_eq!(problems(output, &config), [], "{key}");
    }
}

#[test]
fn d16_a_header_or_a_proxy_that_carries_a_credential_counts_as_one() {
    let cases = [
        settings! { "Header" = "Authorization Bearer hunter2" },
        settings! { "Header" = "Authorization: Bearer hunter2" },
        settings! { "Header" = ["X-Site plant-7".into(), "X-Api-Key hunter2".into()] },
        settings! { "proxy" = "http://user:hunter2@proxy.example.internal:3128" },
    ];
    for more in cases {
        let problem = only(Output::Http, &with(Output::Http, more));

        assert_eq!(problem.kind, SecretLiteral);
        assert!(!format!("{problem:?}").contains("hunter2"));
    }
}

#[test]
fn any_text_may_come_from_a_secret_but_nothing_that_is_checked_here() {
    for key in ["http_user", "uri", "host", "header", "aws_role_arn", "proxy"] {
        let mut config = least(Output::Http);
        config.insert(key.to_owned(), secret("OUT_X"));
        assert_eq!(problems(Output::Http, &config), [], "{key}");
    }
    for key in [
        "port",
        "tls",
        "format",
        "http.response_timeout",
        "retry_limit",
        "storage.total_limit_size",
    ] {
        let mut config = least(Output::Http);
        config.insert(key.to_owned(), secret("OUT_X"));
        assert_eq!(only(Output::Http, &config).kind, WrongType, "{key}");
    }
}

#[test]
fn d16b_control_characters_are_refused_everywhere() {
    for hostile in [
        "a\nb",
        "a\r",
        "\u{0}",
        "a\tb",
        "\u{85}",
        "a\u{2028}b",
        "\u{feff}a",
        "\u{7f}",
        "x\n[INPUT]\n  Name exec",
    ] {
        let in_value = with(Output::Http, settings! { "uri" = hostile });
        assert_eq!(only(Output::Http, &in_value).kind, ForbiddenCharacter, "{hostile:?}");
        let in_list = with(Output::Http, settings! { "header" = [hostile.into()] });
        assert_eq!(only(Output::Http, &in_list).kind, ForbiddenCharacter, "{hostile:?}");
        let mut in_key = least(Output::Http);
        in_key.insert(hostile.to_owned(), "x".into());
        let problem = only(Output::Http, &in_key);
        assert_eq!(problem.kind, ForbiddenCharacter, "{hostile:?}");
        assert!(!problem.message.chars().any(char::is_control));
    }
}

#[test]
fn a_variable_in_a_value_is_refused_unless_the_sidecar_has_it() {
    for text in ["${TOKEN}", "a${b", "${}", "${POD_NAME:-x}", "x ${HOME} y", "${POD_NAME} ${OTHER}"]
    {
        let problem = only(Output::Http, &with(Output::Http, settings! { "uri" = text }));
        assert_eq!(problem.kind, Variable, "{text}");
    }
    let known =
        settings! { "Labels" = "pod=${POD_NAME},namespace=${POD_NAMESPACE},node=${NODE_NAME}" };
    assert_eq!(problems(Output::Loki, &with(Output::Loki, known)), []);
    let accessors = settings! { "s3_key_format" = "/$TAG/%Y/$UUID" };
    assert_eq!(problems(Output::S3, &with(Output::S3, accessors)), []);
}

#[test]
fn what_the_bundle_decides_cannot_be_set() {
    for key in ["Name", "Match", "match_regex", "active", "condition", "processors"] {
        let mut config = least(Output::Loki);
        config.insert(key.to_owned(), "x".into());
        assert_eq!(only(Output::Loki, &config).kind, Reserved, "{key}");
    }
    let store = settings! { "store_dir" = "/tmp/s3" };
    assert_eq!(only(Output::S3, &with(Output::S3, store)).kind, Reserved);
}

#[test]
fn tls_options_are_refused_where_fluent_bit_refuses_them() {
    for key in ["tls", "tls.verify"] {
        let mut config = settings! {};
        config.insert(key.to_owned(), true.into());
        assert_eq!(only(Output::Stdout, &config).kind, Unsupported);
    }
    let listener = settings! { "tls" = true, "tls.verify_client_cert" = true };
    assert_eq!(only(Output::Es, &with(Output::Es, listener)).kind, Unsupported);
}

#[test]
fn what_is_accepted_without_effect_or_at_a_risk_is_warned_of() {
    let cases: &[(Output, Settings, &str, ProblemKind)] = &[
        (Output::Es, settings! { "type" = "_doc" }, "type", NoEffect),
        (Output::Es, settings! { "Logstash_Format" = "on", "Index" = "x" }, "Index", NoEffect),
        (Output::Es, settings! { "id_key" = "id", "generate_id" = true }, "generate_id", NoEffect),
        (Output::Es, settings! { "tls" = "On", "tls.verify" = "Off" }, "tls.verify", Risky),
        (Output::Es, settings! { "tls.ca_file" = "/etc/ca.pem" }, "tls.ca_file", NoEffect),
        (Output::Kafka, settings! { "tls" = true }, "tls", NoEffect),
        (Output::Kafka, settings! { "host" = "kafka" }, "host", NoEffect),
        (
            Output::Kafka,
            settings! { "rdkafka.request.required.acks" = 1 },
            "rdkafka.request.required.acks",
            Risky,
        ),
        (
            Output::Kafka,
            settings! { "rdkafka.compresion.codec" = "gzip" },
            "rdkafka.compresion.codec",
            UnknownToLibrdkafka,
        ),
        (Output::Stdout, settings! { "net.keepalive" = true }, "net.keepalive", NoEffect),
        (Output::S3, settings! { "host" = "minio" }, "host", NoEffect),
        (Output::S3, settings! { "retry_limit" = false }, "retry_limit", NoEffect),
        (
            Output::S3,
            settings! { "storage.total_limit_size" = "1G" },
            "storage.total_limit_size",
            NoEffect,
        ),
    ];
    for (output, more, key, kind) in cases {
        let problem = only(*output, &with(*output, more.clone()));

        assert_eq!((problem.key.as_str(), problem.kind), (*key, *kind));
        assert_eq!(problem.severity(), Severity::Warning, "{problem:?}");
    }
}

#[test]
fn a_misspelt_property_of_librdkafka_gets_the_nearest_name() {
    let problem = only(
        Output::Kafka,
        &with(Output::Kafka, settings! { "rdkafka.compresion.codec" = "gzip" }),
    );

    assert_eq!(problem.help, "did you mean `rdkafka.compression.codec`?");
}

#[test]
fn settings_that_the_plugin_refuses_together_are_refused() {
    let cases = [
        (
            Output::S3,
            settings! { "use_put_object" = true, "total_file_size" = "51M" },
            "total_file_size",
        ),
        (
            Output::S3,
            settings! { "upload_chunk_size" = "6M", "total_file_size" = "11M" },
            "upload_chunk_size",
        ),
        (
            Output::S3,
            settings! { "upload_chunk_size" = "51M", "total_file_size" = "1G" },
            "upload_chunk_size",
        ),
        (
            Output::Es,
            settings! { "write_operation" = "upsert", "generate_id" = false },
            "write_operation",
        ),
    ];
    for (output, more, key) in cases {
        assert_eq!(kinds(output, &with(output, more)), [(key.to_owned(), Conflict)]);
    }
}

#[test]
fn the_sizes_that_the_s3_output_accepts_together_are_accepted() {
    let cases = [
        settings! { "use_put_object" = true, "total_file_size" = "50M" },
        settings! { "use_put_object" = true, "total_file_size" = "1M" },
        settings! { "use_put_object" = true },
        settings! { "total_file_size" = "8M" },
        settings! { "upload_chunk_size" = 5_242_880, "total_file_size" = "6M" },
        settings! { "upload_chunk_size" = "50M", "total_file_size" = "100M" },
        settings! { "upload_chunk_size" = "1G", "total_file_size" = "3G", "compression" = "gzip" },
    ];
    for more in cases {
        assert_eq!(problems(Output::S3, &with(Output::S3, more.clone())), [], "{more:?}");
    }
}

#[test]
fn a_property_that_the_image_is_too_old_for_is_refused_or_warned_of() {
    let api_key = with(Output::Es, settings! { "http_api_key" = secret("OUT_X") });
    let of = |tag: &str, output, config: &Settings| {
        let found = check(output, image(tag), config);
        found.first().map(|problem| problem.kind)
    };

    assert_eq!(of("4.0.7", Output::Es, &api_key), Some(TooNew));
    assert_eq!(of("4.0.8", Output::Es, &api_key), None);
    assert_eq!(of("4.0", Output::Es, &api_key), None);
    assert_eq!(check(Output::Es, None, &api_key), []);
    let oauth = with(Output::Http, settings! { "oauth2.enable" = true });
    assert_eq!(of("4.2.1", Output::Http, &oauth), Some(TooNew));
    let recent = with(Output::Http, settings! { "http_method" = "PUT" });
    assert_eq!(of("3.2.0", Output::Http, &recent), Some(MaybeTooNew));
    assert_eq!(of("5.1.1", Output::Http, &recent), None);
    let old = with(Output::Loki, settings! { "structured_metadata" = "level=$lvl" });
    assert_eq!(of("3.2.0", Output::Loki, &old), None);
}

#[test]
fn ten_mistakes_are_ten_problems() {
    let config = settings! {
        "Name" = "x", "port" = 0, "tls" = "maybe", "format" = "xml", "uri" = "", "nonsense" = 1,
        "http_passwd" = "hunter2", "header" = "broken", "compress" = "lz4", "retry_limit" = 0,
    };

    // One for each setting, and one for the missing host.
    assert_eq!(problems(Output::Http, &config).len(), 11);
}
