//! Reads kubeconfigs as kubectl does, and describes mistakes without quoting them.

mod blank;
mod file;
mod flags;
mod mistakes;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, Kubeconfig};

use super::connect_error::ConnectError;
use super::files;
pub(super) use mistakes::words;

/// A resolved context of a kubeconfig; no value in it is empty.
pub(super) struct KubeContext {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
}

/// Merges the kubeconfigs at `paths`, and returns the selected context; `None` selects the current
/// one.
pub(super) fn read(paths: &[String], context: Option<&str>) -> Result<KubeContext, ConnectError> {
    let mut merged: Option<Kubeconfig> = None;
    for path in paths {
        let next = file::read(path)?;
        merged = Some(match merged {
            None => next,
            Some(first) => {
                first.merge(next).map_err(|error| ConnectError::Kubeconfig(words(&error)))?
            }
        });
    }
    let config = merged.ok_or_else(|| ConnectError::Kubeconfig("it does not exist".to_owned()))?;
    let name = context.map(str::to_owned).or_else(|| config.current_context.clone());
    let name = name.unwrap_or_default();
    select(config, name)
}

/// Says that a context does not exist. The name is empty if neither the operator nor the file
/// chooses one.
fn no_context(name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match (name, known) {
        ("", []) => "it sets no current-context, and has no context".to_owned(),
        ("", _) => format!("it sets no current-context; its contexts are {list}"),
        (_, []) => format!("it has no context `{name}`, and no other"),
        (_, _) => format!("it has no context `{name}`; it has {list}"),
    }
}

/// Takes a context, its cluster and its user out of a kubeconfig. A missing user has no
/// credentials.
fn select(config: Kubeconfig, name: String) -> Result<KubeContext, ConnectError> {
    let Some(context) = config.contexts.iter().find(|known| known.name == name) else {
        let known: Vec<&str> = config.contexts.iter().map(|known| known.name.as_str()).collect();
        return Err(ConnectError::Kubeconfig(no_context(&name, &known)));
    };
    let context = context.context.clone().unwrap_or_default();
    let cluster = config.clusters.into_iter().find(|known| known.name == context.cluster);
    let Some(cluster) = cluster.and_then(|known| known.cluster) else {
        let cluster = context.cluster;
        return Err(ConnectError::Kubeconfig(format!(
            "context `{name}` refers to the cluster `{cluster}`, which does not exist"
        )));
    };
    let user =
        config.auth_infos.into_iter().find(|known| Some(&known.name) == context.user.as_ref());
    let mut user = user.and_then(|known| known.auth_info).unwrap_or_default();
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(tell(&cluster)?);
    }
    let namespace = context.namespace.unwrap_or_else(|| "default".to_owned());
    Ok(KubeContext { name, namespace, cluster, user })
}

/// Returns the cluster for a credential plugin, with the content of the certificate-authority
/// instead of its path.
fn tell(cluster: &Cluster) -> Result<ExecAuthCluster, ConnectError> {
    let authority = files::authority(cluster)?;
    let whole = Cluster {
        certificate_authority: None,
        certificate_authority_data: authority.map(|pem| STANDARD.encode(pem.as_slice())),
        ..cluster.clone()
    };
    ExecAuthCluster::try_from(&whole).map_err(|error| ConnectError::Kubeconfig(words(&error)))
}

#[cfg(test)]
mod tests {
    use super::super::client::Cluster;
    use super::*;
    use crate::cluster::{ClusterAccess, PluginEnvironment, Terminal};

    /// A secret that must never be shown.
    const SECRET: &str = "s3cretT0ken";

    const SURROUNDINGS: PluginEnvironment =
        PluginEnvironment { terminal: Terminal::Absent, clock: || None };

    fn refused(user: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig").to_str().unwrap().to_owned();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: \"https://t\"}}}}]\n\
             contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\nusers:\n- name: t\n  user:\n{user}"
        );
        fs_err::write(&path, text).unwrap();
        let access = ClusterAccess {
            kubeconfigs: vec![path.clone()],
            context: None,
            proxies: crate::proxy::ProxyEnvironment::default(),
            surroundings: SURROUNDINGS,
        };
        let error = Cluster::connect(&access).err().unwrap();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        error.to_string().replace(&path, "FILE")
    }

    #[test]
    fn only_boolean_disables_tls_verification() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig").to_str().unwrap().to_owned();
        let connect = |skips: &str| {
            let text = format!(
                "clusters: [{{name: t, cluster: {{server: \"https://t\", insecure-skip-tls-verify: {skips}}}}}]\n\
                 contexts: [{{name: t, context: {{cluster: t}}}}]\ncurrent-context: t\n"
            );
            fs_err::write(&path, text).unwrap();
            let access = ClusterAccess {
                kubeconfigs: vec![path.clone()],
                context: None,
                proxies: crate::proxy::ProxyEnvironment::default(),
                surroundings: SURROUNDINGS,
            };
            Cluster::connect(&access).map(|_| ()).map_err(|error| error.to_string())
        };
        for text in ["\"yes\"", "'true'", "\"false\""] {
            let why = connect(text).unwrap_err();
            assert!(why.contains("insecure-skip-tls-verify is not a boolean"), "{text}: {why}");
        }
        for boolean in ["true", "yes", "false"] {
            assert_eq!(connect(boolean), Ok(()), "{boolean}");
        }
    }

    #[test]
    fn kubeconfig_error_has_location_and_kind_but_no_content() {
        let table = [
            (format!("    token: {SECRET}\n   other: x\n"), "`FILE`:10:"),
            (format!("    token: [{SECRET}]\n"), "`FILE`:9:12: a value has the wrong type"),
            (format!("    token: \"{SECRET}\n"), "not YAML"),
            (format!("    token: {SECRET}\n    token: {SECRET}\n"), "duplicate key"),
            (format!("    exec: {{command: {SECRET}, args: {SECRET}}}\n"), "`FILE`:9:"),
        ];
        for (user, wanted) in table {
            let told = refused(&user);
            assert!(told.contains(wanted), "{user}: {told}");
        }
    }

    #[test]
    fn credentials_that_cannot_be_used_are_named_and_not_quoted() {
        let exec = |script: &str| {
            format!(
                "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: /bin/sh\n      \
                 interactiveMode: Never\n      args: [\"-c\", \"{script}\"]\n"
            )
        };
        let pem = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tczNjcmV0VDBrZW4K";
        let table = [
            (
                format!("    client-certificate-data: \"{SECRET}!\"\n"),
                "client-certificate-data is not base64",
            ),
            (
                format!("    client-certificate-data: {pem}\n    client-key-data: \"{SECRET}!\"\n"),
                "client-key-data is not base64",
            ),
            (
                format!("    client-certificate-data: {pem}\n    client-key-data: {pem}\n"),
                "its client-",
            ),
            (format!("    token: \"{SECRET}\\u0001\"\n"), "its token contains a control character"),
            (exec(&format!("echo {SECRET}; echo {SECRET} >&2; exit 3")), "failed (exit status: 3)"),
            (exec(&format!("echo 'token: [{SECRET}'")), "printed no ExecCredential"),
            (
                exec(&format!("echo '{{status: {{token: [{SECRET}]}}}}'")),
                "printed no ExecCredential",
            ),
        ];

        for (user, wanted) in table {
            let told = refused(&user);
            assert!(told.contains(wanted), "{user}: {told}");
        }
    }

    #[test]
    fn missing_context_is_reported_with_known_contexts() {
        for (name, known, said) in [
            ("", &[][..], "it sets no current-context, and has no context"),
            ("", &["a", "b"], "it sets no current-context; its contexts are a, b"),
            ("c", &[], "it has no context `c`, and no other"),
            ("c", &["a", "b"], "it has no context `c`; it has a, b"),
        ] {
            assert_eq!(no_context(name, known), said);
        }
    }
}
