//! Selects the credential files. Pure: the environment is passed as data.

use camino::{Utf8Path, Utf8PathBuf};

/// Settings from the command line and the environment; an empty variable counts as unset.
#[derive(Clone, Debug, Default)]
pub struct CredentialEnvironment {
    /// `--registry-config FILE`
    pub registry_config: Option<Utf8PathBuf>,
    /// `$REGISTRY_AUTH_FILE`
    pub registry_auth_file: Option<Utf8PathBuf>,
    /// `$DOCKER_CONFIG`, a folder
    pub docker_config: Option<Utf8PathBuf>,
    /// `$HOME`
    pub home: Option<Utf8PathBuf>,
    /// `$XDG_RUNTIME_DIR`
    pub runtime_dir: Option<Utf8PathBuf>,
}

/// Whether a file must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Required,
    Optional,
}

/// A file that may contain credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFile {
    pub path: Utf8PathBuf,
    pub presence: Presence,
}

impl CredentialEnvironment {
    /// Returns the files in the order in which they are read.
    ///
    /// A file on the command line replaces all others, so that a user can bypass a damaged file.
    pub fn files(&self) -> Vec<CredentialFile> {
        let required = |path: &Utf8PathBuf| CredentialFile {
            path: path.clone(),
            presence: Presence::Required,
        };
        if let Some(path) = &self.registry_config {
            return vec![required(path)];
        }
        let docker = match (&self.docker_config, &self.home) {
            (Some(folder), _) => Some(folder.join("config.json")),
            (None, Some(home)) => Some(home.join(".docker/config.json")),
            (None, None) => None,
        };
        let podman = self
            .runtime_dir
            .as_deref()
            .map(|folder: &Utf8Path| folder.join("containers/auth.json"));
        let usual = docker.into_iter().chain(podman);
        let optional = usual.map(|path| CredentialFile { path, presence: Presence::Optional });
        self.registry_auth_file.iter().map(required).chain(optional).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(environment: &CredentialEnvironment) -> Vec<String> {
        let mark = |file: CredentialFile| match file.presence {
            Presence::Required => format!("{}!", file.path),
            Presence::Optional => file.path.into_string(),
        };
        environment.files().into_iter().map(mark).collect()
    }

    #[test]
    fn files_are_searched_in_order_of_precedence() {
        let all = CredentialEnvironment {
            registry_config: None,
            registry_auth_file: Some("/a".into()),
            docker_config: Some("/d".into()),
            home: Some("/h".into()),
            runtime_dir: Some("/r".into()),
        };
        assert_eq!(files(&all), ["/a!", "/d/config.json", "/r/containers/auth.json"]);
        let without =
            CredentialEnvironment { docker_config: None, registry_auth_file: None, ..all.clone() };
        assert_eq!(files(&without), ["/h/.docker/config.json", "/r/containers/auth.json"]);
        assert_eq!(files(&CredentialEnvironment::default()), [""; 0]);
        let named = CredentialEnvironment { registry_config: Some("/c".into()), ..all };
        assert_eq!(files(&named), ["/c!"]);
    }
}
