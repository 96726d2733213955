//! The Roles that grant the required permissions, and their bindings.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Value, json};

use super::permissions::{Permission, rules};
use crate::bundle::index::Index;
use crate::model::label::{INSTANCE_LABEL, MANAGED_BY_LABEL};
use crate::model::text::{InvalidText, Label, ObjectName};

/// The API group of Roles and bindings.
const GROUP: &str = "rbac.authorization.k8s.io";

/// The ServiceAccount that gets the permissions.
#[derive(Clone, Debug)]
pub struct Grantee {
    namespace: Label,
    name: ObjectName,
}

/// The text names no ServiceAccount.
#[derive(Debug, thiserror::Error)]
pub enum InvalidServiceAccount {
    #[error("use NAMESPACE:NAME, such as `ci:deployer`")]
    NoColon,
    #[error("the name is missing after the `:`")]
    NoName,
    #[error(transparent)]
    Invalid(#[from] InvalidText),
}

impl FromStr for Grantee {
    type Err = InvalidServiceAccount;

    fn from_str(text: &str) -> Result<Self, InvalidServiceAccount> {
        let (namespace, name) = text.split_once(':').ok_or(InvalidServiceAccount::NoColon)?;
        let name: ObjectName = name.parse()?;
        if name.as_str().is_empty() {
            return Err(InvalidServiceAccount::NoName);
        }
        Ok(Self { namespace: namespace.parse()?, name })
    }
}

/// Returns a Role for each namespace, a `ClusterRole`, and their bindings.
pub fn roles(
    index: &Index,
    permissions: &BTreeSet<Permission>,
    account: Option<&Grantee>,
) -> Vec<Value> {
    let mut places: BTreeMap<&str, Vec<&Permission>> = BTreeMap::new();
    for permission in permissions {
        places.entry(&permission.namespace).or_default().push(permission);
    }
    let mut objects = Vec::new();
    for (namespace, permissions) in places {
        let role = role(index, namespace, &permissions);
        let binding = account.map(|account| binding(&role, account));
        objects.push(role);
        objects.extend(binding);
    }
    objects
}

fn role(index: &Index, namespace: &str, permissions: &[&Permission]) -> Value {
    // Installations share the names of ClusterRoles, and of Roles in a monitor's namespace, so
    // these names include the installation's namespace.
    let own = namespace == index.namespace.as_str();
    let (release, place) = (&index.name, &index.namespace);
    let name = if own {
        format!("relay-bundle-{release}")
    } else {
        format!("relay-bundle-{place}-{release}")
    };
    let labels = json!({
        INSTANCE_LABEL: release,
        MANAGED_BY_LABEL: "relay-bundle-rbac",
    });
    let mut metadata = json!({"name": name, "labels": labels});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": if namespace.is_empty() { "ClusterRole" } else { "Role" },
        "metadata": metadata,
        "rules": rules(permissions.iter().copied()),
    })
}

fn binding(role: &Value, account: &Grantee) -> Value {
    let kind = role["kind"].as_str().unwrap_or_default();
    json!({
        "apiVersion": role["apiVersion"],
        "kind": format!("{kind}Binding"),
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role["metadata"]["name"]},
        "subjects": [
            {"kind": "ServiceAccount", "namespace": account.namespace, "name": account.name},
        ],
    })
}
