//! Checks environment variables: each is valid, unique, has one source, and is not set by another
//! key.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource};

use crate::model::text::{DataKey, is_qualified_name};
use crate::profile::env_credential::EnvCredential;
use crate::profile::node::Path;
use crate::profile::removed::{PROXY_HELP, PROXY_WHY};
use crate::profile::reserved::{POD_NAME, is_proxy};
use crate::profile::settings::Settings;
use crate::profile::variables::keys_of;

use super::Report;
use super::labels::name;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let path = Path::of("extraEnv");
    variables(&path, &settings.extra_env, settings.is_dev(), report);

    for (index, variable) in settings.extra_env.iter().enumerate() {
        let keys = keys_of(&variable.name);
        // Only here can a URL with a password come from a Secret; it overrides the ConfigMap's
        // variable.
        let from_secret =
            variable.value_from.as_ref().is_some_and(|from| from.secret_key_ref.is_some());
        if from_secret && variable.name == "PRICE_MIRROR_BASE_URL" {
            continue;
        }
        if is_proxy(&variable.name) {
            let path = path.index(index).key("name");
            let message =
                format!("`{}` is a proxy for the whole relay: {PROXY_WHY}", variable.name);
            report.error("RB0307", path, message, PROXY_HELP);
        }
        if !keys.is_empty() || variable.name == POD_NAME {
            let message = format!("`{}` is set by the bundle", variable.name);
            let help = match keys.join("` or `").as_str() {
                "" => "remove it, or rename the variable".to_owned(),
                keys => format!("remove it and set `{keys}`"),
            };
            report.error("RB0132", path.index(index).key("name"), message, help);
        }
    }
}

/// Checks the variables of any container.
pub(super) fn variables(path: &Path, variables: &[EnvVar], is_dev: bool, report: &mut Report<'_>) {
    let mut names = BTreeSet::new();
    for (index, variable) in variables.iter().enumerate() {
        let path = path.index(index);
        if !is_variable(&variable.name) {
            let help = "write letters, digits, `_`, `-` and `.`, not starting with a digit";
            report.error("RB0130", path.key("name"), "invalid name of a variable", help);
        }
        if !names.insert(&variable.name) {
            let message = format!("the variable `{}` is set twice", variable.name);
            report.error("RB0131", path.key("name"), message, "keep one of them");
        }
        sources(&path, variable, report);
        credential(&path, variable, is_dev, report);
    }
}

fn is_variable(name: &str) -> bool {
    let bytes = name.as_bytes();
    let inner = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b));
    let first = bytes.first().is_some_and(|b| !b.is_ascii_digit());
    inner && first && name != "." && !name.starts_with("..")
}

fn sources(path: &Path, variable: &EnvVar, report: &mut Report<'_>) {
    let Some(from) = &variable.value_from else { return };
    if variable.value.as_ref().is_some_and(|value| !value.is_empty()) {
        report.error(
            "RB0133",
            path,
            "`value` and `valueFrom` exclude each other",
            "keep one of them",
        );
    }

    let EnvVarSource {
        config_map_key_ref,
        field_ref,
        file_key_ref,
        resource_field_ref,
        secret_key_ref,
    } = from;
    let count = [
        config_map_key_ref.is_some(),
        field_ref.is_some(),
        file_key_ref.is_some(),
        resource_field_ref.is_some(),
        secret_key_ref.is_some(),
    ];
    if count.into_iter().filter(|source| *source).count() != 1 {
        let help = "keep one of `secretKeyRef`, `configMapKeyRef`, `fieldRef`, `resourceFieldRef`";
        report.error("RB0133", path.key("valueFrom"), "a variable has exactly one source", help);
    }

    if let Some(secret) = secret_key_ref {
        reference(
            &path.key("valueFrom").key("secretKeyRef"),
            &secret.name,
            &secret.key,
            "a Secret",
            report,
        );
    }
    if let Some(map) = config_map_key_ref {
        reference(
            &path.key("valueFrom").key("configMapKeyRef"),
            &map.name,
            &map.key,
            "a ConfigMap",
            report,
        );
    }

    let field = field_ref.as_ref().filter(|field| !is_field(&field.field_path));
    if field.is_some() {
        let path = path.key("valueFrom").key("fieldRef").key("fieldPath");
        let help = "use one of metadata.name, metadata.namespace, metadata.uid, \
                    metadata.labels['KEY'], metadata.annotations['KEY'], spec.nodeName, \
                    spec.serviceAccountName, status.hostIP, status.podIP";
        report.error("RB0133", path, "pods have no such field that variables can refer to", help);
    }
}

fn reference(path: &Path, object: &str, key: &str, what: &str, report: &mut Report<'_>) {
    name(&path.key("name"), object, what, report);
    if key.parse::<DataKey>().is_err() {
        let help = "write letters, digits, `-`, `_` and `.`";
        report.error("RB0105", path.key("key"), format!("invalid key of {what}"), help);
    }
}

fn is_field(field: &str) -> bool {
    const PLAIN: [&str; 9] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    let subscript = ["metadata.labels['", "metadata.annotations['"]
        .iter()
        .find_map(|prefix| field.strip_prefix(prefix)?.strip_suffix("']"));
    PLAIN.contains(&field) || subscript.is_some_and(|key| is_qualified_name(&key.to_lowercase()))
}

/// Reports credentials in clear text, because many users can read manifests.
fn credential(path: &Path, variable: &EnvVar, is_dev: bool, report: &mut Report<'_>) {
    let name = &variable.name;
    let value = variable.value.as_deref().unwrap_or_default();
    let found = if is_dev { None } else { EnvCredential::of(name, value) };
    let Some(found) = found else { return };
    let message = match found {
        EnvCredential::Known => format!("the credential `{name}` is in clear text here"),
        EnvCredential::ByName => {
            format!("`{name}` looks like a credential, and its value is in clear text here")
        }
        EnvCredential::ByValue => {
            format!("the value of `{name}` holds a credential in clear text")
        }
    };
    let help = "keep it in a Secret and write `valueFrom = { secretKeyRef = { name = \"…\", key = \"…\" } }`";
    report.error("RB0204", path.key("value"), message, help);
}
