//! The properties of the seven outputs and the generic ones, as Fluent Bit 5.1.1 itself lists them.
//!
//! Two kinds are left out: generic properties that select the records to route, because the sidecar
//! has one route, and `tls.verify_client_cert`, which outputs list and refuse.

use super::property::{Property, PropertyKind, Since};
use super::version::Version;

/// Fluent Bit reads numbers into a C `int`.
pub(super) const INT_MAX: i64 = 2_147_483_647;
const INT_MIN: i64 = -2_147_483_648;
/// The largest integer that canonical JSON holds.
pub(super) const SIZE_MAX: i64 = (1 << 53) - 1;

const DATE_FORMATS: &[&str] = &["double", "epoch", "epoch_ms", "iso8601", "java_sql_timestamp"];
const TLS_VERSIONS: &[&str] = &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

const fn of(name: &'static str, kind: PropertyKind) -> Property {
    Property { name, kind, default: None, secret: false, since: Since::Always }
}
const fn text(name: &'static str) -> Property {
    of(name, PropertyKind::Text)
}
const fn text_or_false(name: &'static str) -> Property {
    of(name, PropertyKind::TextOrFalse)
}
const fn host(name: &'static str) -> Property {
    of(name, PropertyKind::Host)
}
const fn path(name: &'static str) -> Property {
    of(name, PropertyKind::Path)
}
const fn url(name: &'static str) -> Property {
    of(name, PropertyKind::Url)
}
const fn list(name: &'static str) -> Property {
    of(name, PropertyKind::List)
}
const fn header(name: &'static str) -> Property {
    of(name, PropertyKind::Header)
}
const fn pair(name: &'static str) -> Property {
    of(name, PropertyKind::Pair)
}
const fn words(name: &'static str, words: &'static [&'static str]) -> Property {
    of(name, PropertyKind::Words(words))
}
const fn switch(name: &'static str) -> Property {
    of(name, PropertyKind::Switch)
}
const fn integer(name: &'static str, min: i64, max: i64) -> Property {
    of(name, PropertyKind::Integer { min, max })
}
const fn size(name: &'static str, min: i64, max: i64) -> Property {
    of(name, PropertyKind::Size { min, max })
}
const fn size_or_false(name: &'static str) -> Property {
    of(name, PropertyKind::SizeOrFalse)
}
const fn time(name: &'static str) -> Property {
    of(name, PropertyKind::Time)
}
const fn retries(name: &'static str) -> Property {
    of(name, PropertyKind::Retries)
}

impl Property {
    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
    const fn since(self, major: u32, minor: u32, patch: u32) -> Self {
        Self { since: Since::Version(Version::exact(major, minor, patch)), ..self }
    }
    const fn recent(self) -> Self {
        Self { since: Since::Recent, ..self }
    }
}

pub(super) static STDOUT: &[Property] = &[
    words(
        "format",
        &["msgpack", "json", "json_lines", "json_stream", "otlp_json", "otlp_json_pretty"],
    ),
    words("json_date_format", DATE_FORMATS),
    text_or_false("json_date_key").default("date"),
];

pub(super) static FORWARD: &[Property] = &[
    host("host").default("127.0.0.1"),
    integer("port", 1, 65_535).default("24224"),
    switch("time_as_integer").default("false"),
    switch("retain_metadata_in_forward_mode").default("true"),
    text("shared_key").secret(),
    text("self_hostname"),
    switch("empty_shared_key").default("false"),
    switch("send_options").default("false"),
    switch("require_ack_response").default("false"),
    text("username"),
    text("password").secret(),
    text("unix_path"),
    text("upstream"),
    text("tag"),
    words("compress", &["gzip"]),
    switch("fluentd_compat").default("false"),
    pair("add_option"),
];

pub(super) static ES: &[Property] = &[
    host("host").default("127.0.0.1"),
    integer("port", 1, 65_535).default("9200"),
    text("index").default("fluent-bit"),
    text("type").default("_doc"),
    switch("suppress_type_name").default("false"),
    text("http_user"),
    text("http_passwd").secret(),
    text("http_api_key").secret().since(4, 0, 8),
    words("compress", &["gzip"]),
    text("cloud_id"),
    text("cloud_auth").secret(),
    text("upstream").recent(),
    switch("aws_auth").default("false"),
    text("aws_region"),
    text("aws_sts_endpoint"),
    text("aws_role_arn"),
    text("aws_external_id"),
    text("aws_service_name").default("es"),
    text("aws_profile"),
    switch("logstash_format").default("false"),
    text("logstash_prefix").default("logstash"),
    text("logstash_prefix_separator").default("-"),
    text("logstash_prefix_key"),
    text("logstash_dateformat").default("%Y.%m.%d"),
    text("time_key").default("@timestamp"),
    text("time_key_format").default("%Y-%m-%dT%H:%M:%S"),
    switch("time_key_nanos").default("false"),
    switch("include_tag_key").default("false"),
    text("tag_key").default("flb-key"),
    size_or_false("buffer_size").default("512k"),
    path("path"),
    text("pipeline"),
    switch("generate_id").default("false"),
    words("write_operation", &["create", "index", "update", "upsert"]).default("create"),
    text("id_key"),
    switch("replace_dots").default("false"),
    switch("current_time_index").default("false"),
    switch("trace_output").default("false"),
    switch("trace_error").default("false"),
];

pub(super) static LOKI: &[Property] = &[
    host("host").default("127.0.0.1"),
    integer("port", 1, 65_535).default("3100"),
    path("uri").default("/loki/api/v1/push"),
    text("tenant_id"),
    text("tenant_id_key"),
    words("tenant_id_key_error_handling", &["partial_success", "partial_error"])
        .default("partial_success")
        .recent(),
    list("labels"),
    list("structured_metadata"),
    list("structured_metadata_map_keys").recent(),
    switch("auto_kubernetes_labels").default("false"),
    words("drop_single_key", &["raw", "on", "off", "true", "false", "yes", "no"]),
    list("label_keys"),
    list("remove_keys"),
    words("line_format", &["json", "key_value"]).default("json"),
    text("label_map_path"),
    text("http_user"),
    text("http_passwd").secret(),
    size_or_false("buffer_size").default("512KB"),
    text("bearer_token").secret(),
    header("header"),
    words("compress", &["gzip"]),
];

pub(super) static HTTP: &[Property] = &[
    host("host").default("127.0.0.1"),
    integer("port", 1, 65_535).default("80"),
    url("proxy"),
    switch("allow_duplicated_headers").default("true"),
    switch("log_response_payload").default("true"),
    time("http.response_timeout").default("60s").recent(),
    time("http.read_idle_timeout").default("0s").recent(),
    text("http_user"),
    text("http_passwd").secret(),
    switch("oauth2.enable").default("false").since(5, 0, 0),
    url("oauth2.token_url").since(5, 0, 0),
    text("oauth2.client_id").since(5, 0, 0),
    text("oauth2.client_secret").secret().since(5, 0, 0),
    text("oauth2.user_agent").since(5, 0, 0),
    text("oauth2.scope").since(5, 0, 0),
    text("oauth2.audience").since(5, 0, 0),
    text("oauth2.resource").since(5, 0, 0),
    words("oauth2.auth_method", &["basic", "post", "private_key_jwt"])
        .default("basic")
        .since(5, 0, 0),
    text("oauth2.jwt_key_file").since(5, 0, 0),
    text("oauth2.jwt_cert_file").since(5, 0, 0),
    text("oauth2.jwt_aud").since(5, 0, 0),
    words("oauth2.jwt_header", &["kid", "x5t"]).default("kid").since(5, 0, 0),
    integer("oauth2.jwt_ttl_seconds", 1, INT_MAX).default("300").since(5, 0, 0),
    integer("oauth2.refresh_skew_seconds", 0, INT_MAX).default("60").since(5, 0, 0),
    time("oauth2.timeout").default("0s").since(5, 0, 0),
    time("oauth2.connect_timeout").default("0s").since(5, 0, 0),
    switch("aws_auth").default("false"),
    text("aws_service"),
    text("aws_region"),
    text("aws_sts_endpoint"),
    text("aws_role_arn"),
    text("aws_external_id"),
    text("aws_profile"),
    text("header_tag"),
    words("format", &["json", "json_stream", "json_lines", "gelf", "msgpack"]).default("json"),
    words("json_date_format", DATE_FORMATS),
    text_or_false("json_date_key").default("date"),
    words("compress", &["gzip", "snappy", "zstd"]),
    header("header"),
    text("uri"),
    words("http_method", &["POST", "PUT"]).default("POST").recent(),
    text("gelf_timestamp_key"),
    text("gelf_host_key"),
    text("gelf_short_message_key"),
    text("gelf_full_message_key"),
    text("gelf_level_key"),
    text("body_key"),
    text("headers_key"),
];

pub(super) static KAFKA: &[Property] = &[
    text("topic_key"),
    switch("dynamic_topic").default("false"),
    words("format", &["json", "msgpack", "gelf", "raw", "otlp_json", "otlp_proto"]),
    switch("otlp_logs_partition_by_resource").default("false").recent(),
    text("message_key"),
    text("message_key_field"),
    text("timestamp_key").default("@timestamp"),
    words("timestamp_format", &["double", "iso8601", "iso8601_ns"]),
    integer("queue_full_retries", INT_MIN, INT_MAX).default("10"),
    text("gelf_timestamp_key"),
    text("gelf_host_key"),
    text("gelf_short_message_key"),
    text("gelf_full_message_key"),
    text("gelf_level_key"),
    text("topics"),
    text("brokers"),
    text("client_id"),
    text("group_id"),
    text("raw_log_key").recent(),
    text("aws_msk_iam_cluster_arn").recent(),
    switch("aws_msk_iam").default("false").since(4, 0, 4),
];

pub(super) static S3: &[Property] = &[
    host("host"),
    integer("port", 1, 65_535),
    words("format", &["json_lines", "otlp_json", "parquet"]).default("json_lines").recent(),
    words("json_date_format", DATE_FORMATS),
    text_or_false("json_date_key").default("date"),
    size("total_file_size", 1_000_000, 50_000_000_000).default("100000000"),
    size("upload_chunk_size", 5_242_880, SIZE_MAX).default("5242880"),
    time("upload_timeout").default("10m"),
    text("bucket"),
    text("region").default("us-east-1"),
    text("role_arn"),
    url("endpoint"),
    text("sts_endpoint"),
    text("canned_acl"),
    words("compression", &["gzip", "zstd", "snappy", "arrow"]),
    text("content_type"),
    text("store_dir").default("/tmp/fluent-bit/s3"),
    size("store_dir_limit_size", 0, SIZE_MAX),
    size("quarantine_dir_limit_size", 0, SIZE_MAX).default("0").recent(),
    path("s3_key_format").default("/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S"),
    text("s3_key_format_tag_delimiters").default("."),
    switch("auto_retry_requests").default("true"),
    switch("use_put_object").default("false"),
    switch("send_content_md5").default("false"),
    switch("preserve_data_ordering").default("true"),
    words("retry_exhausted_action", &["delete", "quarantine"]).default("quarantine").recent(),
    text("log_key"),
    text("external_id"),
    switch("static_file_path").default("false"),
    text("storage_class"),
    text("profile"),
    text("blob_database_file").recent(),
    size("part_size", 1, SIZE_MAX).default("25M").recent(),
    integer("file_delivery_attempt_limit", 1, INT_MAX).default("1").recent(),
    integer("part_delivery_attempt_limit", 1, INT_MAX).default("1").recent(),
    time("upload_parts_timeout").default("10M").recent(),
    time("upload_part_freshness_limit").default("6D").recent(),
    url("authorization_endpoint_url").recent(),
    text("authorization_endpoint_username").recent(),
    text("authorization_endpoint_password").secret().recent(),
    text("authorization_endpoint_bearer_token").secret().recent(),
];

pub(super) static EVERYWHERE: &[Property] = &[
    text("alias"),
    words("log_level", &["off", "error", "warn", "info", "debug", "trace"]).default("info"),
    time("log_suppress_interval").default("0"),
    retries("retry_limit").default("1"),
    integer("workers", 0, 128),
    size("storage.total_limit_size", 1_000_000, SIZE_MAX),
];

pub(super) static NETWORK: &[Property] = &[
    words("net.dns.mode", &["UDP", "TCP"]),
    words("net.dns.resolver", &["LEGACY", "ASYNC"]),
    switch("net.dns.prefer_ipv4").default("false"),
    switch("net.dns.prefer_ipv6").default("false"),
    switch("net.keepalive").default("true"),
    time("net.keepalive_idle_timeout").default("30s"),
    switch("net.tcp_keepalive").default("off"),
    integer("net.tcp_keepalive_time", -1, INT_MAX).default("-1"),
    integer("net.tcp_keepalive_interval", -1, INT_MAX).default("-1"),
    integer("net.tcp_keepalive_probes", -1, INT_MAX).default("-1"),
    time("net.io_timeout").default("0s"),
    time("net.connect_timeout").default("10s"),
    switch("net.connect_timeout_log_error").default("true"),
    text("net.source_address"),
    integer("net.keepalive_max_recycle", 0, INT_MAX).default("2000"),
    integer("net.max_worker_connections", 0, INT_MAX).default("0"),
    switch("net.proxy_env_ignore").default("false"),
    host("host"),
    integer("port", 1, 65_535),
    switch("ipv6").default("false"),
];

pub(super) static TLS: &[Property] = &[
    switch("tls").default("off"),
    switch("tls.verify").default("on"),
    integer("tls.debug", 0, 4).default("1"),
    text("tls.ca_file"),
    text("tls.ca_path"),
    text("tls.crt_file"),
    text("tls.key_file"),
    text("tls.key_passwd").secret(),
    text("tls.vhost"),
    switch("tls.verify_hostname").default("off"),
    words("tls.min_version", TLS_VERSIONS),
    words("tls.max_version", TLS_VERSIONS),
    text("tls.ciphers"),
    text("tls.proxy.ca_file"),
    text("tls.proxy.ca_path"),
    switch("tls.proxy.verify").default("on"),
    switch("tls.proxy.verify_hostname").default("on"),
];
