use super::super::{
    OutputPlugin, Problem, ProblemKind, ProblemSeverity, Version, check, parse_tag,
};
use super::{TestSettings, secret, settings};
use ProblemKind::{
    Conflict, DuplicateProperty, ForbiddenCharacter, InvalidValue, MaybeTooNew, MissingProperty,
    NoEffect, Reserved, Risky, SecretLiteral, TooNew, UnknownProperty, UnknownToLibrdkafka,
    Unsupported, Variable, WrongType,
};

fn image(tag: &str) -> Option<Version> {
    parse_tag(tag).expect("new enough")
}

fn problems(output: OutputPlugin, config: &TestSettings) -> Vec<Problem> {
    check(output, image("5.1.1"), config)
}

fn kinds(output: OutputPlugin, config: &TestSettings) -> Vec<(String, ProblemKind)> {
    problems(output, config).into_iter().map(|problem| (problem.key, problem.kind)).collect()
}

fn only(output: OutputPlugin, config: &TestSettings) -> Problem {
    let mut found = problems(output, config);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Returns the minimal settings that each output accepts without a problem.
fn least(output: OutputPlugin) -> TestSettings {
    match output {
        OutputPlugin::Stdout => settings! {},
        OutputPlugin::Forward | OutputPlugin::Es | OutputPlugin::Loki | OutputPlugin::Http => {
            settings! { "host" = "logs.example.internal" }
        }
        OutputPlugin::Kafka => settings! { "brokers" = "kafka.example.internal:9092" },
        OutputPlugin::S3 => settings! { "bucket" = "relay-logs", "region" = "eu-central-1" },
    }
}

fn with(output: OutputPlugin, more: TestSettings) -> TestSettings {
    let mut all = least(output);
    all.extend(more);
    all
}

#[test]
fn minimal_configuration_of_each_output_is_accepted() {
    for output in OutputPlugin::ALL {
        assert_eq!(problems(output, &least(output)), [], "{}", output.name());
    }
}

#[test]
fn chart_examples_with_credentials_as_secrets_are_accepted() {
    let cases = [
        (OutputPlugin::Stdout, settings! { "Format" = "json_lines" }),
        (
            OutputPlugin::Forward,
            settings! {
                "Host" = "fluentd.example.internal", "Port" = 24224, "Shared_Key" = secret("OUT_SHARED_KEY"),
                "tls" = "On", "tls.verify" = "On", "Require_ack_response" = true,
            },
        ),
        (
            OutputPlugin::Es,
            settings! {
                "Host" = "es.example.internal", "Port" = 9200, "HTTP_User" = "elastic",
                "HTTP_Passwd" = secret("OUT_HTTP_PASSWD"), "Logstash_Format" = "On",
                "Logstash_Prefix" = "claude-relay", "tls" = "On", "Retry_Limit" = false,
            },
        ),
        (
            OutputPlugin::Loki,
            settings! {
                "Host" = "loki.monitoring.svc.cluster.local", "Port" = 3100, "URI" = "/loki/api/v1/push",
                "Labels" = "job=claude-relay,environment=production",
            },
        ),
        (
            OutputPlugin::Http,
            settings! {
                "Host" = "logs.example.internal", "Port" = "443", "URI" = "/ingest", "Format" = "json",
                "Header" = [secret("OUT_HEADER_0"), "X-Site plant-7".into()], "tls" = "yes", "Compress" = "gzip",
            },
        ),
        (
            OutputPlugin::Kafka,
            settings! {
                "Brokers" = "k0.example.internal:9092,k1.example.internal:9092", "Topics" = "relay-logs",
                "Timestamp_Key" = "@timestamp", "rdkafka.compression.codec" = "snappy",
                "rdkafka.sasl.password" = secret("OUT_SASL"), "rdkafka.request.required.acks" = -1,
                "RDKAFKA.Client.Id" = "relay", "rdkafka.enable.idempotence" = true,
            },
        ),
        (
            OutputPlugin::S3,
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
fn d16c_chart_loki_options_of_other_plugin_get_remedy() {
    let config = settings! {
        "Host" = "loki.example.internal", "BatchWait" = 1, "BatchSize" = 1_001_024, "LineFormat" = "json",
    };

    let found = problems(OutputPlugin::Loki, &config);

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
fn unknown_property_error_suggests_nearest_name_or_other_output() {
    let cases = [
        (OutputPlugin::Es, "HTTP_Paswd", "did you mean `http_passwd`?"),
        (OutputPlugin::Http, "http-passwd", "did you mean `http_passwd`?"),
        (OutputPlugin::Forward, "SharedKey", "did you mean `shared_key`?"),
        (OutputPlugin::S3, "retrylimit", "did you mean `retry_limit`?"),
        (OutputPlugin::Http, "tls.verfy", "did you mean `tls.verify`?"),
        (OutputPlugin::Forward, "logstash_prefix_separator", "use the output that has it: es"),
        (OutputPlugin::Http, "rdkafka.acks", "remove it"),
        (OutputPlugin::Stdout, "completely_different", "remove it"),
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
fn property_in_two_spellings_is_refused() {
    let config = with(OutputPlugin::Http, settings! { "URI" = "/a", "uri" = "/b" });

    assert_eq!(kinds(OutputPlugin::Http, &config), [("uri".to_owned(), DuplicateProperty)]);
}

#[test]
fn values_that_fluent_bit_would_refuse_or_misread_are_refused() {
    let cases: &[(OutputPlugin, TestSettings, ProblemKind)] = &[
        (OutputPlugin::Http, settings! { "port" = 0 }, InvalidValue),
        (OutputPlugin::Http, settings! { "port" = 65536 }, InvalidValue),
        (OutputPlugin::Http, settings! { "port" = "http" }, InvalidValue),
        (OutputPlugin::Http, settings! { "port" = true }, WrongType),
        (OutputPlugin::Http, settings! { "tls" = 1 }, WrongType),
        (OutputPlugin::Http, settings! { "tls" = "1" }, InvalidValue),
        (OutputPlugin::Http, settings! { "tls" = "enabled" }, InvalidValue),
        (OutputPlugin::Http, settings! { "format" = "jsonl" }, InvalidValue),
        (OutputPlugin::Http, settings! { "format" = 3 }, WrongType),
        (OutputPlugin::Http, settings! { "compress" = "lz4" }, InvalidValue),
        (OutputPlugin::Http, settings! { "host" = "https://logs.example.internal" }, InvalidValue),
        (OutputPlugin::Http, settings! { "host" = "logs.example.internal:443" }, InvalidValue),
        (OutputPlugin::Http, settings! { "header" = "X-Site: plant-7" }, InvalidValue),
        (OutputPlugin::Http, settings! { "header" = "X-Site" }, InvalidValue),
        (
            OutputPlugin::Http,
            settings! { "header" = ["X-Site plant-7".into(), 5.into()] },
            WrongType,
        ),
        (OutputPlugin::Http, settings! { "header" = [] }, InvalidValue),
        (OutputPlugin::Http, settings! { "uri" = ["/a".into(), "/b".into()] }, WrongType),
        (OutputPlugin::Http, settings! { "uri" = "" }, InvalidValue),
        (OutputPlugin::Http, settings! { "uri" = " " }, InvalidValue),
        (OutputPlugin::Http, settings! { "proxy" = "proxy.example.internal:3128" }, InvalidValue),
        (OutputPlugin::Http, settings! { "http.response_timeout" = "500ms" }, InvalidValue),
        (OutputPlugin::Http, settings! { "net.keepalive_idle_timeout" = -1 }, InvalidValue),
        (OutputPlugin::Http, settings! { "tls.debug" = 5 }, InvalidValue),
        (OutputPlugin::Http, settings! { "retry_limit" = 0 }, InvalidValue),
        (OutputPlugin::Http, settings! { "retry_limit" = "-3" }, InvalidValue),
        (OutputPlugin::Http, settings! { "retry_limit" = "no" }, InvalidValue),
        (OutputPlugin::Http, settings! { "retry_limit" = true }, WrongType),
        (OutputPlugin::Http, settings! { "storage.total_limit_size" = "1.5G" }, InvalidValue),
        (OutputPlugin::Http, settings! { "storage.total_limit_size" = "512Mi" }, InvalidValue),
        (OutputPlugin::Http, settings! { "log_level" = "verbose" }, InvalidValue),
        (OutputPlugin::Http, settings! { "http_user" = true }, WrongType),
        (OutputPlugin::Es, settings! { "buffer_size" = "lots" }, InvalidValue),
        (OutputPlugin::Es, settings! { "write_operation" = "delete" }, InvalidValue),
        (OutputPlugin::Forward, settings! { "compress" = "lz4" }, InvalidValue),
        (OutputPlugin::Forward, settings! { "add_option" = "key" }, InvalidValue),
        (OutputPlugin::Loki, settings! { "line_format" = "logfmt" }, InvalidValue),
        (OutputPlugin::Loki, settings! { "labels" = ["a=b".into()] }, WrongType),
        (OutputPlugin::Loki, settings! { "uri" = "loki/api/v1/push" }, InvalidValue),
        (OutputPlugin::Loki, settings! { "compress" = "snappy" }, InvalidValue),
        (OutputPlugin::Kafka, settings! { "format" = "avro" }, InvalidValue),
        (OutputPlugin::Kafka, settings! { "rdkafka." = "x" }, UnknownProperty),
        (OutputPlugin::Kafka, settings! { "rdkafka.a b" = "x" }, UnknownProperty),
        (OutputPlugin::S3, settings! { "total_file_size" = "999K" }, InvalidValue),
        (OutputPlugin::S3, settings! { "total_file_size" = "51G" }, InvalidValue),
        (OutputPlugin::S3, settings! { "upload_chunk_size" = "5M" }, InvalidValue),
        (OutputPlugin::S3, settings! { "compression" = "bzip2" }, InvalidValue),
        (OutputPlugin::S3, settings! { "s3_key_format" = "logs/%Y" }, InvalidValue),
    ];
    for (output, more, kind) in cases {
        let problem = only(*output, &with(*output, more.clone()));

        assert_eq!(
            (problem.kind, problem.severity()),
            (*kind, ProblemSeverity::Error),
            "{more:?}: {problem:?}"
        );
        assert!(!problem.help.is_empty());
    }
}

#[test]
fn values_in_every_form_that_fluent_bit_reads_are_accepted() {
    let cases = [
        (OutputPlugin::Http, settings! { "tls" = "YES" }),
        (OutputPlugin::Http, settings! { "port" = "8443" }),
        (OutputPlugin::Http, settings! { "host" = "2001:db8::7" }),
        (OutputPlugin::Http, settings! { "json_date_key" = false }),
        (OutputPlugin::Http, settings! { "retry_limit" = 7 }),
        (OutputPlugin::Http, settings! { "retry_limit" = "No_Retries" }),
        (OutputPlugin::Http, settings! { "format" = "JSON_Lines" }),
        (OutputPlugin::Http, settings! { "proxy" = "http://proxy.example.internal:3128" }),
        (OutputPlugin::Http, settings! { "net.tcp_keepalive_time" = -1 }),
        (OutputPlugin::Es, settings! { "buffer_size" = false }),
        (OutputPlugin::Es, settings! { "buffer_size" = "512KB" }),
        (OutputPlugin::Loki, settings! { "drop_single_key" = "raw" }),
        (OutputPlugin::Loki, settings! { "drop_single_key" = true }),
        (OutputPlugin::Loki, settings! { "tenant_id" = 42 }),
        (OutputPlugin::Forward, settings! { "add_option" = ["a 1".into(), "b 2".into()] }),
        (OutputPlugin::Kafka, settings! { "queue_full_retries" = -1 }),
    ];
    for (output, more) in cases {
        assert_eq!(problems(output, &with(output, more.clone())), [], "{more:?}");
    }
}

#[test]
fn missing_required_property_is_reported() {
    let cases = [
        (OutputPlugin::Forward, "host", MissingProperty),
        (OutputPlugin::Es, "host", MissingProperty),
        (OutputPlugin::Loki, "host", MissingProperty),
        (OutputPlugin::Http, "host", MissingProperty),
        (OutputPlugin::Kafka, "brokers", MissingProperty),
    ];
    for (output, key, kind) in cases {
        assert_eq!(kinds(output, &settings! {}), [(key.to_owned(), kind)], "{}", output.name());
    }
    let of_s3 = [("bucket".to_owned(), MissingProperty), ("region".to_owned(), Risky)];
    assert_eq!(kinds(OutputPlugin::S3, &settings! {}), of_s3);
}

#[test]
fn host_is_optional_if_other_setting_gives_destination() {
    let elastic_cloud = settings! { "cloud_id" = "site:ZXhhbXBsZQ==" };
    let socket = settings! { "unix_path" = "/var/run/fluent.sock" };

    assert_eq!(problems(OutputPlugin::Es, &elastic_cloud), []);
    assert_eq!(problems(OutputPlugin::Forward, &socket), []);
}

#[test]
fn plaintext_credential_is_reported_without_its_value() {
    let cases = [
        (OutputPlugin::Forward, "Shared_Key"),
        (OutputPlugin::Forward, "password"),
        (OutputPlugin::Es, "http_passwd"),
        (OutputPlugin::Es, "cloud_auth"),
        (OutputPlugin::Es, "HTTP_API_Key"),
        (OutputPlugin::Loki, "bearer_token"),
        (OutputPlugin::Http, "oauth2.client_secret"),
        (OutputPlugin::Http, "tls.key_passwd"),
        (OutputPlugin::Kafka, "rdkafka.sasl.password"),
        (OutputPlugin::Kafka, "RDKAFKA.SSL.Key.Password"),
        (OutputPlugin::S3, "authorization_endpoint_bearer_token"),
    ];
    for (output, key) in cases {
        let mut config = with(output, settings! { "tls" = true });
        if !output.is_network() || output == OutputPlugin::S3 {
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
fn d16_header_or_proxy_with_credential_is_credential() {
    let cases = [
        settings! { "Header" = "Authorization Bearer hunter2" },
        settings! { "Header" = "Authorization: Bearer hunter2" },
        settings! { "Header" = ["X-Site plant-7".into(), "X-Api-Key hunter2".into()] },
        settings! { "proxy" = "http://user:hunter2@proxy.example.internal:3128" },
    ];
    for more in cases {
        let problem = only(OutputPlugin::Http, &with(OutputPlugin::Http, more));

        assert_eq!(problem.kind, SecretLiteral);
        assert!(!format!("{problem:?}").contains("hunter2"));
    }
}

#[test]
fn secret_may_supply_text_but_not_checked_values() {
    for key in ["http_user", "uri", "host", "header", "aws_role_arn", "proxy"] {
        let mut config = least(OutputPlugin::Http);
        config.insert(key.to_owned(), secret("OUT_X"));
        assert_eq!(problems(OutputPlugin::Http, &config), [], "{key}");
    }
    for key in [
        "port",
        "tls",
        "format",
        "http.response_timeout",
        "retry_limit",
        "storage.total_limit_size",
    ] {
        let mut config = least(OutputPlugin::Http);
        config.insert(key.to_owned(), secret("OUT_X"));
        assert_eq!(only(OutputPlugin::Http, &config).kind, WrongType, "{key}");
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
        let in_value = with(OutputPlugin::Http, settings! { "uri" = hostile });
        assert_eq!(only(OutputPlugin::Http, &in_value).kind, ForbiddenCharacter, "{hostile:?}");
        let in_list = with(OutputPlugin::Http, settings! { "header" = [hostile.into()] });
        assert_eq!(only(OutputPlugin::Http, &in_list).kind, ForbiddenCharacter, "{hostile:?}");
        let mut in_key = least(OutputPlugin::Http);
        in_key.insert(hostile.to_owned(), "x".into());
        let problem = only(OutputPlugin::Http, &in_key);
        assert_eq!(problem.kind, ForbiddenCharacter, "{hostile:?}");
        assert!(!problem.message.chars().any(char::is_control));
    }
}

#[test]
fn variable_in_value_is_refused_unless_sidecar_defines_it() {
    for text in ["${TOKEN}", "a${b", "${}", "${POD_NAME:-x}", "x ${HOME} y", "${POD_NAME} ${OTHER}"]
    {
        let problem =
            only(OutputPlugin::Http, &with(OutputPlugin::Http, settings! { "uri" = text }));
        assert_eq!(problem.kind, Variable, "{text}");
    }
    let known =
        settings! { "Labels" = "pod=${POD_NAME},namespace=${POD_NAMESPACE},node=${NODE_NAME}" };
    assert_eq!(problems(OutputPlugin::Loki, &with(OutputPlugin::Loki, known)), []);
    let accessors = settings! { "s3_key_format" = "/$TAG/%Y/$UUID" };
    assert_eq!(problems(OutputPlugin::S3, &with(OutputPlugin::S3, accessors)), []);
}

#[test]
fn properties_reserved_for_bundle_cannot_be_set() {
    for key in ["Name", "Match", "match_regex", "active", "condition", "processors"] {
        let mut config = least(OutputPlugin::Loki);
        config.insert(key.to_owned(), "x".into());
        assert_eq!(only(OutputPlugin::Loki, &config).kind, Reserved, "{key}");
    }
    let store = settings! { "store_dir" = "/tmp/s3" };
    assert_eq!(only(OutputPlugin::S3, &with(OutputPlugin::S3, store)).kind, Reserved);
}

#[test]
fn tls_options_are_refused_where_fluent_bit_refuses_them() {
    for key in ["tls", "tls.verify"] {
        let mut config = settings! {};
        config.insert(key.to_owned(), true.into());
        assert_eq!(only(OutputPlugin::Stdout, &config).kind, Unsupported);
    }
    let listener = settings! { "tls" = true, "tls.verify_client_cert" = true };
    assert_eq!(only(OutputPlugin::Es, &with(OutputPlugin::Es, listener)).kind, Unsupported);
}

#[test]
fn ineffective_or_risky_setting_is_warned_about() {
    let cases: &[(OutputPlugin, TestSettings, &str, ProblemKind)] = &[
        (OutputPlugin::Es, settings! { "type" = "_doc" }, "type", NoEffect),
        (
            OutputPlugin::Es,
            settings! { "Logstash_Format" = "on", "Index" = "x" },
            "Index",
            NoEffect,
        ),
        (
            OutputPlugin::Es,
            settings! { "id_key" = "id", "generate_id" = true },
            "generate_id",
            NoEffect,
        ),
        (OutputPlugin::Es, settings! { "tls" = "On", "tls.verify" = "Off" }, "tls.verify", Risky),
        (OutputPlugin::Es, settings! { "tls.ca_file" = "/etc/ca.pem" }, "tls.ca_file", NoEffect),
        (OutputPlugin::Kafka, settings! { "tls" = true }, "tls", NoEffect),
        (OutputPlugin::Kafka, settings! { "host" = "kafka" }, "host", NoEffect),
        (
            OutputPlugin::Kafka,
            settings! { "rdkafka.request.required.acks" = 1 },
            "rdkafka.request.required.acks",
            Risky,
        ),
        (
            OutputPlugin::Kafka,
            settings! { "rdkafka.compresion.codec" = "gzip" },
            "rdkafka.compresion.codec",
            UnknownToLibrdkafka,
        ),
        (OutputPlugin::Stdout, settings! { "net.keepalive" = true }, "net.keepalive", NoEffect),
        (OutputPlugin::S3, settings! { "host" = "minio" }, "host", NoEffect),
        (OutputPlugin::S3, settings! { "retry_limit" = false }, "retry_limit", NoEffect),
        (
            OutputPlugin::S3,
            settings! { "storage.total_limit_size" = "1G" },
            "storage.total_limit_size",
            NoEffect,
        ),
    ];
    for (output, more, key, kind) in cases {
        let problem = only(*output, &with(*output, more.clone()));

        assert_eq!((problem.key.as_str(), problem.kind), (*key, *kind));
        assert_eq!(problem.severity(), ProblemSeverity::Warning, "{problem:?}");
    }
}

#[test]
fn misspelled_librdkafka_property_gets_nearest_name() {
    let problem = only(
        OutputPlugin::Kafka,
        &with(OutputPlugin::Kafka, settings! { "rdkafka.compresion.codec" = "gzip" }),
    );

    assert_eq!(problem.help, "did you mean `rdkafka.compression.codec`?");
}

#[test]
fn settings_that_conflict_in_plugin_are_refused() {
    let cases = [
        (
            OutputPlugin::S3,
            settings! { "use_put_object" = true, "total_file_size" = "51M" },
            "total_file_size",
        ),
        (
            OutputPlugin::S3,
            settings! { "upload_chunk_size" = "6M", "total_file_size" = "11M" },
            "upload_chunk_size",
        ),
        (
            OutputPlugin::S3,
            settings! { "upload_chunk_size" = "51M", "total_file_size" = "1G" },
            "upload_chunk_size",
        ),
        (
            OutputPlugin::Es,
            settings! { "write_operation" = "upsert", "generate_id" = false },
            "write_operation",
        ),
    ];
    for (output, more, key) in cases {
        assert_eq!(kinds(output, &with(output, more)), [(key.to_owned(), Conflict)]);
    }
}

#[test]
fn size_combinations_valid_for_s3_output_are_accepted() {
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
        assert_eq!(
            problems(OutputPlugin::S3, &with(OutputPlugin::S3, more.clone())),
            [],
            "{more:?}"
        );
    }
}

#[test]
fn property_newer_than_image_is_refused_or_warned_about() {
    let api_key = with(OutputPlugin::Es, settings! { "http_api_key" = secret("OUT_X") });
    let of = |tag: &str, output, config: &TestSettings| {
        let found = check(output, image(tag), config);
        found.first().map(|problem| problem.kind)
    };

    assert_eq!(of("4.0.7", OutputPlugin::Es, &api_key), Some(TooNew));
    assert_eq!(of("4.0.8", OutputPlugin::Es, &api_key), None);
    assert_eq!(of("4.0", OutputPlugin::Es, &api_key), None);
    assert_eq!(check(OutputPlugin::Es, None, &api_key), []);
    let oauth = with(OutputPlugin::Http, settings! { "oauth2.enable" = true });
    assert_eq!(of("4.2.1", OutputPlugin::Http, &oauth), Some(TooNew));
    let recent = with(OutputPlugin::Http, settings! { "http_method" = "PUT" });
    assert_eq!(of("3.2.0", OutputPlugin::Http, &recent), Some(MaybeTooNew));
    assert_eq!(of("5.1.1", OutputPlugin::Http, &recent), None);
    let old = with(OutputPlugin::Loki, settings! { "structured_metadata" = "level=$lvl" });
    assert_eq!(of("3.2.0", OutputPlugin::Loki, &old), None);
}

#[test]
fn ten_mistakes_are_ten_problems() {
    let config = settings! {
        "Name" = "x", "port" = 0, "tls" = "maybe", "format" = "xml", "uri" = "", "nonsense" = 1,
        "http_passwd" = "hunter2", "header" = "broken", "compress" = "lz4", "retry_limit" = 0,
    };

    // One for each setting, and one for the missing host.
    assert_eq!(problems(OutputPlugin::Http, &config).len(), 11);
}
