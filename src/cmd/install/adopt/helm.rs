//! Helm's records of a release: read, and at the end moved to where Helm does not look.

use serde_json::{Value, json};

use crate::adoption::release::{REVISIONS_MAX, Release, Revision, wipe};
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request, Run};
use crate::cluster::resource::{escaped, key, path};
use crate::cmd::failure::Failure;
use crate::cmd::journal::delete;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;

/// How many records are asked for at once: each may have a megabyte.
const PAGE: usize = 10;

/// What else than a release that runs there can be.
const READY: &str = "deployed";

/// Where the records of a release are.
pub(super) struct Records<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) namespace: &'a str,
    pub(super) release: &'a ReleaseName,
}

impl Records<'_> {
    /// Reads the release; none if it was adopted before.
    pub(super) fn read(&self) -> Result<Option<Release>, Failure> {
        let mut read = Vec::new();
        let mut page = String::new();
        loop {
            let mut list = self.page(&self.selector(), &page)?;
            for secret in items(&mut list) {
                read.push(self.revision(secret)?);
            }
            list.pointer("/metadata/continue")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .clone_into(&mut page);
            if page.is_empty() {
                break;
            }
            if read.len() >= REVISIONS_MAX {
                return Err(Failure::world(format!(
                    "Helm keeps more than {REVISIONS_MAX} revisions of `{}`",
                    self.release
                ))
                .hint("delete the Secrets of the oldest; `helm history` lists them"));
            }
        }
        let is_archived = !self.archives()?.is_empty();
        let Some(release) = Release::of(read) else {
            return if is_archived { Ok(None) } else { Err(self.not_found()?) };
        };
        // When records are being archived the rollout is done: the newest may be gone already.
        if is_archived || release.newest().status == READY {
            Ok(Some(release))
        } else {
            Err(self.not_ready(&release))
        }
    }

    fn revision(&self, secret: &mut Value) -> Result<(Revision, Vec<Value>), Failure> {
        let read = Revision::read(secret, self.release.as_str());
        wipe(&mut secret["data"]);
        let name = secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        read.map_err(|why| {
            Failure::world(format!(
                "Secret {name} in {}, Helm's record of a revision, cannot be read: {why}",
                self.namespace
            ))
            .hint("nothing was changed; `helm history` shows whether Helm can read it")
        })
    }

    fn page(&self, selector: &str, page: &str) -> Result<Value, Failure> {
        let folder = path(&self.secret(""));
        let next = if page.is_empty() { String::new() } else { format!("&continue={}", escaped(page)) };
        let request = Request::get_path(format!("{folder}?labelSelector={selector}&limit={PAGE}{next}"));
        Ok(self.cluster.call(&request)?)
    }

    fn selector(&self) -> String {
        format!("owner%3Dhelm%2Cname%3D{}", self.release)
    }

    fn secret(&self, name: &str) -> ObjectKey {
        key("Secret", self.namespace, name).expect("a kind that is known")
    }

    fn not_found(&self) -> Result<Failure, Failure> {
        let failure = Failure::input(format!(
            "there is no Helm release `{}` in namespace {}",
            self.release, self.namespace
        ));
        let mut list = self.page("owner%3Dhelm", "")?;
        let mut names: Vec<String> = Vec::new();
        for secret in items(&mut list) {
            wipe(&mut secret["data"]);
            names.extend(secret.pointer("/metadata/labels/name").and_then(Value::as_str).map(str::to_owned));
        }
        names.sort();
        names.dedup();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Ok(failure
            .hint(format!("releases in this namespace: {there}"))
            .hint("`helm list --all-namespaces` shows them all; the bundle's `release.namespace` must be the release's"))
    }

    fn not_ready(&self, release: &Release) -> Failure {
        let newest = release.newest();
        Failure::world(format!(
            "revision {} of the Helm release `{}` is `{}`: what it left in the cluster is not known",
            newest.number, self.release, newest.status
        ))
        .hint("bring it to `deployed` first: `helm rollback`, or the upgrade again; `helm history` shows where it is")
    }

    /// Returns the names of the Secrets to which records were moved.
    pub(super) fn archives(&self) -> Result<Vec<String>, Failure> {
        let selector = format!(
            "app.kubernetes.io%2Fcomponent%3D{COMPONENT}%2Capp.kubernetes.io%2Finstance%3D{}",
            self.release
        );
        let mut list = self.page(&selector, "")?;
        let name = |secret: &mut Value| {
            wipe(&mut secret["data"]);
            secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Ok(items(&mut list).map(name).collect())
    }

    /// Moves all records; returns the names of the Secrets that have them now.
    pub(super) fn archive(&self) -> Result<Vec<String>, Failure> {
        let mut archived = Vec::new();
        loop {
            let mut list = self.page(&self.selector(), "")?;
            let mut records: Vec<&mut Value> = items(&mut list).collect();
            if records.is_empty() {
                return Ok(archived);
            }
            // The newest last: until it goes, the release is what it was.
            records.sort_by_key(|record| number(record));
            for record in records {
                archived.push(self.archive_one(record)?);
            }
        }
    }

    fn archive_one(&self, record: &mut Value) -> Result<String, Failure> {
        let name = format!("relay-bundle.{}.helm.v{}", self.release, number(record));
        let target = self.secret(&name);
        let mut copy = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {
                "app.kubernetes.io/managed-by": FIELD_MANAGER,
                "app.kubernetes.io/instance": self.release.as_str(),
                "app.kubernetes.io/component": COMPONENT,
            }},
            "immutable": true,
            "data": record["data"],
        });
        let request = Request::create(&target, &copy, Run::Real);
        let made = match self.cluster.call(&request) {
            // An earlier run made it, if it is the same.
            Err(error) if error.code() == 409 => match self.cluster.find(&target)? {
                Some(mut there) if there["data"] == record["data"] => {
                    wipe(&mut there["data"]);
                    Ok(())
                }
                _ => Err(Failure::world(format!("Secret {name} is there with another content"))
                    .hint("it is the archive of another release of this name: move it away, and run the command again")),
            },
            Ok(mut answer) => {
                wipe(&mut answer["data"]);
                Ok(())
            }
            Err(error) => Err(error.into()),
        };
        wipe(&mut copy["data"]);
        wipe(&mut record["data"]);
        made?;
        let own = record.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        delete(self.cluster, &self.secret(own), record)?;
        Ok(name)
    }
}

/// The label of archived records.
const COMPONENT: &str = "helm-archive";

fn items(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten()
}

/// Returns the number of a record's revision, from its label.
fn number(record: &Value) -> u64 {
    let label = record.pointer("/metadata/labels/version").and_then(Value::as_str);
    label.and_then(|text| text.parse().ok()).unwrap_or(0)
}
