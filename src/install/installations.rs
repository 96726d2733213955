//! Finds the installation that the operator means.

use super::record::Journal;
use crate::cluster::Cluster;
use crate::cluster::request::Request;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::{Label, ReleaseName};
use crate::rollout::record_names::{bundle_of, head_labels};

/// An installation that was not found.
#[derive(Debug, thiserror::Error)]
enum InstallationError {
    #[error(
        "{name} is not installed in namespace {} of context `{}`",
        .place.namespace, .place.context
    )]
    NotInstalled { name: ReleaseName, place: SearchedPlace },
    #[error("nothing is installed in namespace {} of context `{}`", .0.namespace, .0.context)]
    Nothing(SearchedPlace),
    #[error("namespace {namespace} has several installations")]
    Several { namespace: String, names: Vec<ReleaseName> },
}

/// The namespace that was searched.
#[derive(Clone, Debug)]
struct SearchedPlace {
    namespace: String,
    context: String,
    /// Whether the operator named the namespace.
    is_named: bool,
}

impl From<InstallationError> for Failure {
    fn from(error: InstallationError) -> Self {
        let hint = match &error {
            InstallationError::NotInstalled { place, .. } | InstallationError::Nothing(place)
                if place.is_named =>
            {
                "every installation made by `apply` has a record in its namespace".to_owned()
            }
            InstallationError::NotInstalled { .. } | InstallationError::Nothing(_) => {
                "pass the namespace: -n NAMESPACE".to_owned()
            }
            InstallationError::Several { names, .. } => {
                let names: Vec<&str> = names.iter().map(ReleaseName::as_str).collect();
                format!("pass one of them: --name {}", names.join(" | "))
            }
        };
        Self::input(error).hint(hint)
    }
}

/// An installation, as far as the operator named it.
#[derive(Clone, Copy, Debug)]
pub struct InstallationName<'a> {
    /// The namespace; that of the context if absent.
    pub namespace: Option<&'a Label>,
    /// The name; that of the only installation in the namespace if absent.
    pub name: Option<&'a ReleaseName>,
}

impl InstallationName<'_> {
    /// Reads the record of the installation.
    ///
    /// # Errors
    ///
    /// When the record is missing or damaged, or several installations match.
    pub fn open(&self, cluster: &Cluster) -> Result<Journal, Failure> {
        let namespace = self.namespace.map_or(cluster.namespace.as_str(), Label::as_str);
        let place = SearchedPlace {
            namespace: namespace.to_owned(),
            context: cluster.context.clone(),
            is_named: self.namespace.is_some(),
        };
        let name = match self.name {
            Some(name) => name.clone(),
            None => only_one(cluster, &place)?,
        };
        let journal = Journal::open(cluster, &name, namespace)?;
        if journal.is_there() {
            return Ok(journal);
        }
        Err(InstallationError::NotInstalled { name, place }.into())
    }
}

/// Returns the only installation that is recorded in a namespace.
fn only_one(cluster: &Cluster, place: &SearchedPlace) -> Result<ReleaseName, Failure> {
    let folder = ObjectKey::of(Kind::ConfigMap, &place.namespace, "");
    let heads = cluster.list(&Request::list(&folder, &head_labels())).map_err(|error| {
        let may_not_list = error.code() == 403;
        let failure = Failure::from(error);
        if may_not_list { failure.hint("or pass the installation: --name NAME") } else { failure }
    })?;
    let name = |head: &serde_json::Value| bundle_of(head.pointer("/metadata/name")?.as_str()?);
    let mut names: Vec<ReleaseName> = heads.iter().filter_map(name).collect();
    names.sort();
    match names.as_slice() {
        [name] => Ok(name.clone()),
        [] => Err(InstallationError::Nothing(place.clone()).into()),
        _ => {
            let namespace = place.namespace.clone();
            Err(InstallationError::Several { namespace, names }.into())
        }
    }
}
