use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{ConfigInput, METADATA, OutputPlugin, buffer_bytes, check, config};
use super::{TestSettings, secret, settings};

fn rendered(output: OutputPlugin, settings: &TestSettings, timezone_offset_hours: i32) -> Value {
    config(&ConfigInput {
        timezone_offset_hours,
        output,
        settings,
        logs_dir: "/app/logs",
        state_dir: "/fluent-bit/state",
        grace_seconds: 20,
        http_listen: "0.0.0.0",
        http_port: 2020,
        extra_fields: &BTreeSet::new(),
    })
}

fn output_of(output: OutputPlugin, settings: &TestSettings) -> Value {
    rendered(output, settings, 8)["pipeline"]["outputs"][0].clone()
}

#[test]
fn timestamps_are_parsed_at_offset_of_relay() {
    for (hours, offset) in
        [(8, "+0800"), (-5, "-0500"), (1, "+0100"), (-12, "-1200"), (14, "+1400"), (0, "+0000")]
    {
        let parser = rendered(OutputPlugin::Stdout, &settings! {}, hours)["parsers"][0].clone();

        assert_eq!(parser["time_offset"], json!(offset));
        assert_eq!(
            (&parser["time_key"], &parser["time_format"]),
            (&json!("ts"), &json!("%Y-%m-%d %H:%M:%S"))
        );
    }
}

#[test]
fn input_survives_restart_and_rotation_and_skips_token_files() {
    let input = rendered(OutputPlugin::Stdout, &settings! {}, 8)["pipeline"]["inputs"][0].clone();

    let wanted = json!({
        "name": "tail",
        "tag": "claude-relay",
        "path": "/app/logs/claude-relay-[0-9]*.log,/app/logs/claude-relay-[0-9]*.log.[0-9]*,/app/logs/exceptions*.log,/app/logs/rejections*.log",
        "exclude_path": "*.gz,*auth-detail*,*token-refresh*",
        "parser": "claude-relay-json",
        "db": "/fluent-bit/state/tail.db",
        "db.locking": "on",
        "db.compare_filename": "on",
        "read_from_head": "on",
        "refresh_interval": 1,
        "rotate_wait": 10,
        "buffer_max_size": "1M",
        "skip_long_lines": "on",
        "storage.type": "filesystem",
    });
    assert_eq!(input, wanted);
}

#[test]
fn service_has_probe_and_disk_backlog_but_no_hot_reload() {
    let service = rendered(OutputPlugin::Stdout, &settings! {}, 8)["service"].clone();

    let wanted = json!({
        "flush": 1,
        "grace": 20,
        "log_level": "info",
        "http_server": "on",
        "http_listen": "0.0.0.0",
        "http_port": 2020,
        "hot_reload": "off",
        "health_check": "on",
        "storage.path": "/fluent-bit/state/buffer",
        "storage.delete_irrecoverable_chunks": "on",
        "storage.max_chunks_up": 16,
        "storage.backlog.mem_limit": "8M",
    });
    assert_eq!(service, wanted);
}

#[test]
fn every_record_names_its_pod() {
    let filter = rendered(OutputPlugin::Stdout, &settings! {}, 8)["pipeline"]["filters"][2].clone();

    for variable in METADATA {
        let line = json!(format!("{} ${{{variable}}}", variable.to_lowercase()));
        assert!(filter["set"].as_array().unwrap().contains(&line), "{filter}");
    }
}

#[test]
fn parser_tag_and_match_agree() {
    let all = rendered(OutputPlugin::Kafka, &settings! { "brokers" = "k:9092" }, 8);
    let pipeline = &all["pipeline"];

    assert_eq!(pipeline["inputs"][0]["parser"], all["parsers"][0]["name"]);
    assert_eq!(pipeline["outputs"][0]["match"], pipeline["inputs"][0]["tag"]);
    for filter in pipeline["filters"].as_array().unwrap() {
        assert_eq!(filter["match"], pipeline["inputs"][0]["tag"]);
    }
}

#[test]
fn outputs_lose_nothing_by_default() {
    let limit = json!({"retry_limit": "no_limits", "storage.total_limit_size": "256M"});
    let labels = "job=claude-relay,namespace=${POD_NAMESPACE},pod=${POD_NAME}";
    let cases = [
        (OutputPlugin::Stdout, &limit, json!({"format": "json_lines"})),
        (OutputPlugin::Forward, &limit, json!({"require_ack_response": "on"})),
        (OutputPlugin::Es, &limit, json!({"suppress_type_name": "on", "generate_id": "on"})),
        (OutputPlugin::Loki, &limit, json!({"line_format": "json", "labels": labels})),
        (OutputPlugin::Http, &limit, json!({"format": "json"})),
        (
            OutputPlugin::Kafka,
            &limit,
            json!({"format": "json", "rdkafka.log.connection.close": "false"}),
        ),
        (
            OutputPlugin::S3,
            &json!({"retry_limit": 5, "store_dir_limit_size": "256M"}),
            json!({"store_dir": "/fluent-bit/state/s3"}),
        ),
    ];
    for (output, limit, own) in cases {
        let mut wanted = json!({"name": output.name(), "match": "claude-relay"});
        for part in [limit, &own] {
            wanted.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }

        assert_eq!(output_of(output, &settings! {}), wanted);
    }
}

#[test]
fn profile_settings_override_defaults() {
    let config = settings! { "Retry_Limit" = 5, "Suppress_Type_Name" = "Off", "GENERATE_ID" = false, "Storage.Total_Limit_Size" = "1G" };
    let output = output_of(OutputPlugin::Es, &config);

    assert_eq!(output["retry_limit"], json!(5));
    assert_eq!(output["suppress_type_name"], json!("off"));
    assert_eq!(output["generate_id"], json!("off"));
    assert_eq!(output["storage.total_limit_size"], json!("1G"));
}

#[test]
fn spellings_of_one_meaning_are_written_alike() {
    let one = settings! { "TLS" = true, "Port" = 443, "Format" = "JSON", "Retry_Limit" = false };
    let other =
        settings! { "tls" = "Yes", "port" = "443", "format" = "json", "retry_limit" = "off" };

    assert_eq!(output_of(OutputPlugin::Http, &one), output_of(OutputPlugin::Http, &other));
}

#[test]
fn secret_is_referenced_and_never_written() {
    let config = settings! { "HTTP_Passwd" = secret("OUT_HTTP_PASSWD"), "Header" = ["X-A b".into(), secret("OUT_HEADER_1")] };
    let output = output_of(OutputPlugin::Http, &config);

    assert_eq!(output["http_passwd"], json!("${OUT_HTTP_PASSWD}"));
    assert_eq!(output["header"], json!(["X-A b", "${OUT_HEADER_1}"]));
}

#[test]
fn texts_stay_texts_and_numbers_are_integers() {
    let config = settings! { "tenant_id" = 42, "port" = "3100", "buffer_size" = 512_000, "json_date_key" = false };
    let loki = output_of(OutputPlugin::Loki, &config);

    assert_eq!(
        (&loki["tenant_id"], &loki["port"], &loki["buffer_size"]),
        (&json!("42"), &json!(3100), &json!(512_000))
    );
    let http = output_of(OutputPlugin::Http, &settings! { "json_date_key" = false });
    assert_eq!(http["json_date_key"], json!("false"));
}

#[test]
fn librdkafkas_properties_keep_its_spelling() {
    let config = settings! { "RDKAFKA.Client.Id" = "relay", "rdkafka.enable.idempotence" = true, "rdkafka.linger.ms" = 5 };
    let output = output_of(OutputPlugin::Kafka, &config);

    assert_eq!(output["rdkafka.client.id"], json!("relay"));
    assert_eq!(output["rdkafka.enable.idempotence"], json!("true"));
    assert_eq!(output["rdkafka.linger.ms"], json!("5"));
}

#[test]
fn gz_object_is_compressed_and_single_put_fits_size_limit() {
    let config = settings! { "use_put_object" = "On", "s3_key_format" = "/a/$UUID.gz" };
    let output = output_of(OutputPlugin::S3, &config);

    assert_eq!(
        (&output["compression"], &output["total_file_size"]),
        (&json!("gzip"), &json!("50M"))
    );
    let plain = output_of(OutputPlugin::S3, &settings! { "s3_key_format" = "/a/$UUID" });
    assert_eq!((plain.get("compression"), plain.get("total_file_size")), (None, None));
}

#[test]
fn document_id_has_single_source() {
    let output = output_of(OutputPlugin::Es, &settings! { "Id_Key" = "requestId" });

    assert_eq!(output.get("generate_id"), None);
}

#[test]
fn our_own_defaults_pass_our_own_check() {
    for output in OutputPlugin::ALL {
        let rendered = output_of(output, &settings! {});
        let ours = rendered
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "name" | "match" | "store_dir"));
        let config: TestSettings = ours
            .map(|(key, value)| match value.as_i64() {
                Some(number) => (key.clone(), number.into()),
                None => (key.clone(), value.as_str().unwrap().into()),
            })
            .collect();

        let wrong: Vec<_> = check(output, None, &config)
            .into_iter()
            .filter(|problem| config.contains_key(&problem.key))
            .collect();
        assert_eq!(wrong, [], "{}", output.name());
    }
}

#[test]
fn volume_size_follows_buffer_limit() {
    assert_eq!(buffer_bytes(OutputPlugin::Http, &settings! {}), 256_000_000);
    assert_eq!(
        buffer_bytes(OutputPlugin::Http, &settings! { "Storage.Total_Limit_Size" = "2G" }),
        2_000_000_000
    );
    assert_eq!(
        buffer_bytes(OutputPlugin::S3, &settings! { "Store_Dir_Limit_Size" = 500_000_000 }),
        500_000_000
    );
}
