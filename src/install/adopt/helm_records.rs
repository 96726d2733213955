//! Reads Helm's records of a release, and finally archives them under names that Helm does not
//! read.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request, Run};
use crate::cluster::resource::{escaped, path};
use crate::failure::Failure;
use crate::helm::release::{REVISIONS_MAX, Release, Revision, UNPACKED_SUM_MAX, wipe};
use crate::install::record::delete;
use crate::model::digest::Digest;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::live;
use crate::rollout::record_names::HELM_ARCHIVE;

/// The page size of a list: each record may have a megabyte.
const PAGE: usize = 10;

/// The maximum number of pages of a list. Pages may be empty.
const PAGES_MAX: usize = REVISIONS_MAX;

/// The number of rounds to archive records while Helm adds new ones.
const ROUNDS: usize = 4;

/// The status of a release that can be adopted.
const READY: &str = "deployed";

/// The location of a release's records.
pub struct Records<'a> {
    pub cluster: &'a Cluster,
    pub namespace: &'a str,
    pub release: &'a ReleaseName,
}

/// The records of a release.
pub struct Found {
    /// `None` if Helm has no record of it: the release was adopted before, or its records were
    /// deleted after an adoption began.
    pub release: Option<Release>,
    /// Whether any record was archived.
    pub is_archived: bool,
    /// The digest of each record's data, which identifies its archive, by revision.
    contents: BTreeMap<u64, Digest>,
}

impl Records<'_> {
    /// Reads the release. It may be missing only if it was adopted before, or if an adoption
    /// `is_begun`.
    pub fn read(&self, is_begun: bool) -> Result<Found, Failure> {
        let is_archived = self.has_archive()?;
        let (mut read, mut contents, mut room) = (Vec::new(), BTreeMap::new(), UNPACKED_SUM_MAX);
        self.each(&self.selector(), |record| {
            // A record that is being deleted was archived before.
            if is_archived && live::is_ending(record) {
                wipe(&mut record["data"]);
                return Ok(true);
            }
            let content = content(record);
            let (revision, objects) = self.revision(record, &mut room)?;
            if contents.insert(revision.number, content).is_some() {
                return Err(self.two_of(revision.number));
            }
            read.push((revision, objects));
            Ok(true)
        })?;
        let release = Release::of(read);
        match &release {
            None if is_archived || is_begun => {}
            None => return Err(self.not_found()?),
            // Archiving starts after the rollout, so the newest record may be gone already.
            Some(release) if is_archived || release.newest().status == READY => {}
            Some(release) => return Err(self.not_ready(release)),
        }
        Ok(Found { release, is_archived, contents })
    }

    fn revision(
        &self,
        secret: &mut Value,
        room: &mut u64,
    ) -> Result<(Revision, Vec<Value>), Failure> {
        let read = Revision::read(secret, self.release, room);
        wipe(&mut secret["data"]);
        let (revision, objects) = read.map_err(|why| {
            self.unreadable(secret, &why)
                .hint("nothing was changed; check with `helm history` whether Helm can read it")
        })?;
        // The archive is named by this number.
        if number(secret) != Some(revision.number) {
            return Err(self
                .unreadable(secret, &"its label `version` does not match its revision")
                .hint(
                    "nothing was changed; find out which client changed it: Helm writes the label",
                ));
        }
        Ok((revision, objects))
    }

    fn unreadable(&self, secret: &Value, why: &dyn std::fmt::Display) -> Failure {
        let name = name_of(secret);
        Failure::world(format!(
            "Secret {name} in {}, Helm's record of a revision, cannot be read: {why}",
            self.namespace
        ))
    }

    fn two_of(&self, number: u64) -> Failure {
        Failure::world(format!(
            "two records of revision {number} of the Helm release `{}` in {}",
            self.release, self.namespace
        ))
        .hint(
            "nothing was changed; Helm creates one Secret per revision: find out which client \
             created the other",
        )
    }

    /// Returns a problem for each archive name that another Secret occupies.
    pub fn taken_names(&self, found: &Found) -> Result<Vec<String>, Failure> {
        let mut taken = Vec::new();
        for (number, wanted) in &found.contents {
            let name = self.archive_name(*number);
            let there = match self.cluster.find(&self.secret(&name)) {
                // The check of permissions reports this one, too.
                Err(error) if error.code() == 403 => continue,
                there => there?,
            };
            let Some(mut there) = there else { continue };
            if !(self.is_marked(&there) && content(&there) == *wanted) {
                taken.push(format!(
                    "Secret/{name}: its name is needed for the archive of Helm's revision \
                     {number}: move it away"
                ));
            }
            wipe(&mut there["data"]);
        }
        Ok(taken)
    }

    fn archive_name(&self, number: u64) -> String {
        format!("relay-bundle.{}.helm.v{number}", self.release)
    }

    /// Returns the labels of an archive.
    fn marks(&self) -> Value {
        json!({
            "app.kubernetes.io/managed-by": FIELD_MANAGER,
            "app.kubernetes.io/instance": self.release.as_str(),
            "app.kubernetes.io/component": HELM_ARCHIVE,
        })
    }

    /// Returns whether a Secret has the type, immutability and labels of an archive.
    fn is_marked(&self, secret: &Value) -> bool {
        let marks = self.marks();
        let labels = secret.pointer("/metadata/labels").and_then(Value::as_object);
        let has = |(label, value): (&String, &Value)| {
            labels.is_some_and(|all| all.get(label) == Some(value))
        };
        secret["type"] == "Opaque"
            && secret["immutable"] == true
            && marks.as_object().into_iter().flatten().all(has)
    }

    /// Returns whether a Secret is an archive: it has our labels, and holds the record that its
    /// name states.
    fn is_archive(&self, secret: &Value, room: &mut u64) -> bool {
        self.is_marked(secret)
            && Revision::read(secret, self.release, room)
                .is_ok_and(|(revision, _)| name_of(secret) == self.archive_name(revision.number))
    }

    /// Calls `go_on` for each Secret with these labels, until it returns false.
    fn each(
        &self,
        selector: &str,
        go_on: impl FnMut(&mut Value) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        each_item(self.release, |page| self.page(selector, page), go_on)
    }

    fn page(&self, selector: &str, page: &str) -> Result<Value, Failure> {
        let folder = path(&self.secret(""));
        let next =
            if page.is_empty() { String::new() } else { format!("&continue={}", escaped(page)) };
        let request =
            Request::get_path(format!("{folder}?labelSelector={selector}&limit={PAGE}{next}"));
        Ok(self.cluster.call(&request)?)
    }

    fn selector(&self) -> String {
        format!("owner%3Dhelm%2Cname%3D{}", self.release)
    }

    fn secret(&self, name: &str) -> ObjectKey {
        ObjectKey::of(Kind::Secret, self.namespace, name)
    }

    fn not_found(&self) -> Result<Failure, Failure> {
        let failure = Failure::input(format!(
            "Helm release `{}` does not exist in namespace {}",
            self.release, self.namespace
        ));
        let mut list = self.page("owner%3Dhelm", "")?;
        let mut names: Vec<String> = Vec::new();
        for secret in items(&mut list) {
            wipe(&mut secret["data"]);
            names.extend(
                secret.pointer("/metadata/labels/name").and_then(Value::as_str).map(str::to_owned),
            );
        }
        names.sort();
        names.dedup();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Ok(failure.hint(format!("releases in this namespace: {there}")).hint(
            "list all releases with `helm list --all-namespaces`; the bundle's `release.namespace` \
             must be that of the release",
        ))
    }

    fn not_ready(&self, release: &Release) -> Failure {
        let newest = release.newest();
        Failure::world(format!(
            "revision {} of the Helm release `{}` is `{}`: the state of the cluster is unknown",
            newest.number, self.release, newest.status
        ))
        .hint(
            "bring it to `deployed` first, with `helm rollback` or by repeating the upgrade; check \
             with `helm history`",
        )
    }

    /// Returns whether any record was archived.
    pub fn has_archive(&self) -> Result<bool, Failure> {
        let selector = format!(
            "app.kubernetes.io%2Fcomponent%3D{HELM_ARCHIVE}%2Capp.kubernetes.io%2Finstance%3D{}",
            self.release
        );
        let (mut is_there, mut room) = (false, UNPACKED_SUM_MAX);
        self.each(&selector, |secret| {
            is_there = self.is_archive(secret, &mut room);
            wipe(&mut secret["data"]);
            Ok(!is_there)
        })?;
        Ok(is_there)
    }

    /// Archives all records; returns the names of the archives.
    pub fn archive(&self) -> Result<Vec<String>, Failure> {
        let mut archived = Vec::new();
        for _ in 0..ROUNDS {
            let names = oldest_first(self.release, |page| self.page(&self.selector(), page))?;
            if names.is_empty() {
                return Ok(archived);
            }
            for name in names {
                // Another client may have deleted it.
                if let Some(mut record) = self.cluster.find(&self.secret(&name))? {
                    archived.push(self.archive_one(&mut record)?);
                }
            }
        }
        Err(Failure::world(format!(
            "another client keeps creating revisions of the Helm release `{}`",
            self.release
        ))
        .hint("the bundle is applied; stop the client that runs helm, and run the command again"))
    }

    fn archive_one(&self, record: &mut Value) -> Result<String, Failure> {
        let number = number(record).ok_or_else(|| without_number(record))?;
        let name = self.archive_name(number);
        let target = self.secret(&name);
        let mut copy = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace, "labels": self.marks()},
            "immutable": true,
            "data": record["data"],
        });
        let request = Request::create(&target, &copy, Run::Real);
        let made = match self.cluster.call(&request) {
            // An identical archive is that of an earlier run.
            Err(error) if error.code() == 409 => match self.cluster.find(&target)? {
                Some(mut there) if self.is_marked(&there) && there["data"] == record["data"] => {
                    wipe(&mut there["data"]);
                    Ok(())
                }
                _ => Err(Failure::world(format!(
                    "Secret {name} already exists with different content"
                ))
                .hint(
                    "it is the archive of another release with this name: move it away, and run \
                     the command again",
                )),
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
        delete(self.cluster, &self.secret(name_of(record)), record)?;
        Ok(name)
    }
}

fn items(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten()
}

/// Calls `go_on` for each item of a list, page by page, until it returns false. Limits the number
/// of items and of pages.
fn each_item(
    release: &ReleaseName,
    page: impl Fn(&str) -> Result<Value, Failure>,
    mut go_on: impl FnMut(&mut Value) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let (mut next, mut seen) = (String::new(), 0);
    for _ in 0..PAGES_MAX {
        let mut list = page(&next)?;
        for item in items(&mut list) {
            seen += 1;
            if seen > REVISIONS_MAX {
                return Err(Failure::world(format!(
                    "Helm keeps more than {REVISIONS_MAX} revisions of `{release}`"
                ))
                .hint("delete the Secrets of the oldest; `helm history` lists them"));
            }
            if !go_on(item)? {
                return Ok(());
            }
        }
        list.pointer("/metadata/continue")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .clone_into(&mut next);
        if next.is_empty() {
            return Ok(());
        }
    }
    Err(Failure::world(format!(
        "the server's list of the Secrets of `{release}` does not end"
    ))
    .hint("run the command again; ask the cluster administrator about proxies in front of the API \
           server"))
}

/// Returns the names of the records that are not being deleted, newest last: until the newest is
/// deleted, Helm still finds the release.
fn oldest_first(
    release: &ReleaseName,
    page: impl Fn(&str) -> Result<Value, Failure>,
) -> Result<Vec<String>, Failure> {
    let mut records = Vec::new();
    each_item(release, page, |record| {
        wipe(&mut record["data"]);
        // A finalizer may hold a deleted record. It was archived before, or another client deleted
        // it.
        if !live::is_ending(record) {
            let number = number(record).ok_or_else(|| without_number(record))?;
            records.push((number, name_of(record).to_owned()));
        }
        Ok(true)
    })?;
    records.sort();
    Ok(records.into_iter().map(|(_, name)| name).collect())
}

/// Returns a record's revision, from its label.
fn number(record: &Value) -> Option<u64> {
    record.pointer("/metadata/labels/version")?.as_str()?.parse().ok()
}

fn without_number(record: &Value) -> Failure {
    Failure::world(format!(
        "Secret {}, a Helm record, has no label with its revision",
        name_of(record)
    ))
    .hint(
        "the bundle is applied; find out which client changed the Secret, and run the command \
         again",
    )
}

fn name_of(secret: &Value) -> &str {
    secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the digest of a Secret's values.
fn content(secret: &Value) -> Digest {
    Digest::of(Zeroizing::new(secret["data"].to_string()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> ReleaseName {
        ReleaseName::try_from("r".to_owned()).unwrap()
    }

    fn record(number: usize) -> Value {
        json!({"metadata": {"name": format!("sh.helm.release.v1.r.v{number}"),
            "labels": {"version": number.to_string()}}, "data": {"release": "s3cret"}})
    }

    /// Serves records like the API server: sorted by name, ten per page.
    fn pages(mut records: Vec<Value>) -> impl Fn(&str) -> Result<Value, Failure> {
        records.sort_by_key(|record| record["metadata"]["name"].to_string());
        move |page| {
            let start = page.parse().unwrap_or(0);
            let end = records.len().min(start + PAGE);
            let next = if end < records.len() { end.to_string() } else { String::new() };
            Ok(json!({"metadata": {"continue": next}, "items": records[start..end]}))
        }
    }

    #[test]
    fn records_are_moved_oldest_first_over_all_pages_and_those_that_go_are_left() {
        let mut records: Vec<Value> = (1..=23).map(record).collect();
        records[3]["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z".into();

        let names = oldest_first(&release(), pages(records)).unwrap();

        let wanted = (1..=23).filter(|number| *number != 4);
        assert_eq!(
            names,
            wanted.map(|number| format!("sh.helm.release.v1.r.v{number}")).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_record_that_says_no_revision_is_not_moved() {
        let mut unnumbered = record(2);
        unnumbered["metadata"]["labels"] = json!({});
        let refused = oldest_first(&release(), pages(vec![record(1), unnumbered])).unwrap_err();
        assert!(refused.message().contains("sh.helm.release.v1.r.v2, a Helm record, has no label"));
    }

    #[test]
    fn a_list_without_an_end_is_refused() {
        let why = |page: &dyn Fn(&str) -> Result<Value, Failure>| {
            oldest_first(&release(), page).unwrap_err().message()
        };
        let empty = |_: &str| Ok(json!({"metadata": {"continue": "more"}, "items": []}));
        assert!(why(&empty).contains("does not end"));
        let full = |_: &str| Ok(json!({"metadata": {"continue": "more"}, "items": [record(1)]}));
        assert!(why(&full).contains("does not end"));
        let all = |number| oldest_first(&release(), pages((1..=number).map(record).collect()));
        assert_eq!(all(REVISIONS_MAX).unwrap().len(), REVISIONS_MAX);
        assert!(all(REVISIONS_MAX + 1).unwrap_err().message().contains("more than 100 revisions"));
    }
}
