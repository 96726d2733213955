//! Removes empty values from a kubeconfig, which kubectl treats as unset.

use kube::config::{AuthInfo, Cluster, Kubeconfig};
use secrecy::{ExposeSecret as _, SecretString};

/// Removes empty values, so that none is sent, read as a file, or takes precedence over another
/// kubeconfig.
pub(super) fn drop_blank(config: &mut Kubeconfig) {
    for value in [&mut config.current_context, &mut config.kind, &mut config.api_version] {
        drop_text(value);
    }
    for context in config.contexts.iter_mut().filter_map(|named| named.context.as_mut()) {
        drop_text(&mut context.namespace);
        drop_text(&mut context.user);
    }
    for cluster in config.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        of_cluster(cluster);
    }
    for user in config.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        of_user(user);
    }
}

fn of_cluster(cluster: &mut Cluster) {
    for value in [
        &mut cluster.certificate_authority,
        &mut cluster.certificate_authority_data,
        &mut cluster.proxy_url,
        &mut cluster.server,
        &mut cluster.tls_server_name,
    ] {
        drop_text(value);
    }
    join_lines(&mut cluster.certificate_authority_data);
}

fn of_user(user: &mut AuthInfo) {
    for value in [
        &mut user.client_certificate,
        &mut user.client_key,
        &mut user.token_file,
        &mut user.client_certificate_data,
        &mut user.impersonate,
        &mut user.impersonate_uid,
        &mut user.username,
    ] {
        drop_text(value);
    }

    for secret in [&mut user.client_key_data, &mut user.password, &mut user.token] {
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
            *secret = None;
        }
    }

    user.impersonate_groups.take_if(|groups| groups.is_empty());
    user.impersonate_user_extra.take_if(|extra| extra.is_empty());
    if let Some(exec) = &mut user.exec {
        drop_text(&mut exec.api_version);
        drop_text(&mut exec.command);
    }
    if let Some(provider) = &mut user.auth_provider {
        provider.config.retain(|_, value| !value.is_empty());
    }

    join_lines(&mut user.client_certificate_data);
    let key = user.client_key_data.take();
    user.client_key_data =
        key.map(|key| SecretString::from(key.expose_secret().replace(['\r', '\n'], "")));
}

fn drop_text(value: &mut Option<String>) {
    value.take_if(|value| value.is_empty());
}

/// Removes line breaks from base64: kubectl accepts wrapped data.
fn join_lines(data: &mut Option<String>) {
    if let Some(data) = data.as_mut().filter(|data| data.contains(['\r', '\n'])) {
        data.retain(|c| !"\r\n".contains(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_value_is_not_given_wherever_it_stands() {
        let text = "{current-context: '', kind: '', apiVersion: '',
            contexts: [{name: c, context: {cluster: c, user: '', namespace: ''}}],
            clusters: [{name: c, cluster: {server: '', certificate-authority: '', certificate-authority-data: '',
              proxy-url: '', tls-server-name: ''}}],
            users: [{name: u, user: {token: '', tokenFile: '', username: '', password: '', client-certificate: '',
              client-certificate-data: '', client-key: '', client-key-data: '', as: '', as-uid: '', as-groups: [],
              as-user-extra: {}, exec: {command: '', apiVersion: ''},
              auth-provider: {name: oidc, config: {id-token: ''}}}}]}";
        let mut config = Kubeconfig::from_yaml(text).unwrap();

        drop_blank(&mut config);

        let left = serde_json::to_string(&config).unwrap();
        let wanted = "{\"clusters\":[{\"name\":\"c\",\"cluster\":{}}],\"users\":[{\"name\":\"u\",\"user\":{\
            \"auth-provider\":{\"name\":\"oidc\",\"config\":{}},\"exec\":{\"provideClusterInfo\":false}}}],\
            \"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"c\",\"user\":null}}]}";
        assert_eq!(left, wanted);
    }

    #[test]
    fn data_in_lines_is_joined() {
        let text = "{users: [{name: u, user: {client-certificate-data: \"YQ\\n==\\n\", client-key-data: \"Yg\\r\\n==\"}}]}";
        let mut config = Kubeconfig::from_yaml(text).unwrap();

        drop_blank(&mut config);

        let user = config.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(user.client_certificate_data.as_deref(), Some("YQ=="));
        assert_eq!(user.client_key_data.as_ref().unwrap().expose_secret(), "Yg==");
    }
}
