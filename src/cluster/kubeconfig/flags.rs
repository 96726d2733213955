//! Rejects text instead of a boolean: the parser reads `"yes"` as true, and kubectl refuses the
//! file.

use kube::config::Kubeconfig;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    clusters: Option<Vec<NamedEntry>>,
}

#[derive(Deserialize)]
struct NamedEntry {
    #[serde(default)]
    cluster: Option<Flags>,
}

#[derive(Deserialize)]
struct Flags {
    #[serde(default, rename = "insecure-skip-tls-verify")]
    skips_verification: Value,
}

/// Refuses text as the value of `insecure-skip-tls-verify`, which decides whether the server is
/// verified.
///
/// `text` is the source of `config`. It is parsed a second time only if it sets the flag.
pub(super) fn check(config: &Kubeconfig, text: &str) -> Result<(), &'static str> {
    let clusters = config.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let has_flag = clusters.into_iter().any(|cluster| cluster.insecure_skip_tls_verify.is_some());
    if !has_flag {
        return Ok(());
    }
    let files: Vec<File> = serde_saphyr::from_multiple(text).unwrap_or_default();
    let clusters = files.into_iter().filter_map(|file| file.clusters).flatten();
    let mut flags = clusters.filter_map(|named| Some(named.cluster?.skips_verification));
    if flags.any(|flag| flag.is_string()) {
        return Err(
            "insecure-skip-tls-verify is not a boolean: write true or false, without quotes",
        );
    }
    Ok(())
}
