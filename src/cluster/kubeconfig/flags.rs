//! Flags of a kubeconfig that are texts: the parser takes `"yes"` for true, and kubectl refuses the file.

use camino::Utf8Path;
use kube::config::Kubeconfig;
use serde::Deserialize;
use serde_json::Value;

use crate::fsio::read_bounded;

/// The longest kubeconfig that is read again.
const BYTES_MAX: u64 = 16 << 20;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    clusters: Option<Vec<Named>>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    cluster: Option<Flags>,
}

#[derive(Deserialize)]
struct Flags {
    #[serde(default, rename = "insecure-skip-tls-verify")]
    skips_verification: Value,
}

/// Refuses a text where `insecure-skip-tls-verify` stands: it decides whether the server is verified.
///
/// The file at `path`, which was read as `config`, is read again, and only if it has the flag; a pipe cannot be.
pub(super) fn check(config: &Kubeconfig, path: &str) -> Result<(), &'static str> {
    let clusters = config.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let has_flag = clusters.into_iter().any(|cluster| cluster.insecure_skip_tls_verify.is_some());
    let read = || String::from_utf8(read_bounded(Utf8Path::new(path), BYTES_MAX).ok()?).ok();
    let Some(text) = has_flag.then(read).flatten() else { return Ok(()) };
    let files: Vec<File> = serde_saphyr::from_multiple(&text).unwrap_or_default();
    let clusters = files.into_iter().filter_map(|file| file.clusters).flatten();
    let mut flags = clusters.filter_map(|named| Some(named.cluster?.skips_verification));
    if flags.any(|flag| flag.is_string()) {
        return Err("insecure-skip-tls-verify is not a boolean: write true or false, without quotes");
    }
    Ok(())
}
