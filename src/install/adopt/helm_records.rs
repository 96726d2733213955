//! Reads Helm's records of a release, and finally archives them under names that Helm does not
//! read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::helm_record_error::HelmRecordError;
use super::helm_record_pages::{
    PAGE, each_item, items, name_of, number, oldest_first, required_number,
};
use crate::cluster::request::Request;
use crate::cluster::resource::{escaped, path};
use crate::cluster::{Cluster, Session, Write};
use crate::failure::Failure;
use crate::helm::release::{HelmRelease, Revision, UNPACKED_SUM_MAX, wipe};
use crate::install::deletion::delete;
use crate::model::digest::Digest;
use crate::model::kind::Kind;
use crate::model::label::{COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY, MANAGED_BY_LABEL};
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::live_object;
use crate::rollout::obstacle::Obstacle;
use crate::rollout::record_names::{HELM_ARCHIVE, instance_label};

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
pub struct HelmRecords {
    /// `None` if Helm has no record of it: the release was adopted before, or its records were
    /// deleted after an adoption began.
    pub release: Option<HelmRelease>,
    /// Whether any record was archived.
    pub is_archived: bool,
    /// The digest of each record's data, which identifies its archive, by revision.
    contents: BTreeMap<u64, Digest>,
}

impl Records<'_> {
    /// Reads the release. It may be missing only if it was adopted before, or if an adoption
    /// `is_begun`.
    pub fn read(&self, is_begun: bool) -> Result<HelmRecords, Failure> {
        let is_archived = self.has_archive()?;
        let (mut read, mut contents, mut room) = (Vec::new(), BTreeMap::new(), UNPACKED_SUM_MAX);
        self.each(&self.selector(), |record| {
            // A record that is being deleted was archived before.
            if is_archived && live_object::is_ending(record) {
                wipe(&mut record["data"]);
                return Ok(true);
            }
            let content = content(record);
            let (revision, objects) = self.revision(record, &mut room)?;
            if contents.insert(revision.number, content).is_some() {
                let (release, namespace) = (self.release.clone(), self.namespace.to_owned());
                let revision = revision.number;
                return Err(HelmRecordError::Twice { revision, release, namespace }.into());
            }
            read.push((revision, objects));
            Ok(true)
        })?;

        let release = HelmRelease::of(read);
        match &release {
            None if is_archived || is_begun => {}
            None => return Err(self.not_found()?.into()),
            // Archiving starts after the rollout, so the newest record may be gone already.
            Some(release) if is_archived || release.newest().status == READY => {}
            Some(release) => {
                let newest = release.newest();
                let (revision, status) = (newest.number, newest.status.clone());
                let release = self.release.clone();
                return Err(HelmRecordError::NotReady { revision, release, status }.into());
            }
        }
        Ok(HelmRecords { release, is_archived, contents })
    }

    fn revision(
        &self,
        secret: &mut Value,
        room: &mut u64,
    ) -> Result<(Revision, Vec<Value>), HelmRecordError> {
        let read = Revision::read(secret, self.release, room);
        wipe(&mut secret["data"]);
        let number = number(secret);
        let (secret, namespace) = (name_of(secret).to_owned(), self.namespace.to_owned());
        match read {
            // The archive is named by this number.
            Ok((revision, objects)) if number == Some(revision.number) => Ok((revision, objects)),
            Ok(_) => Err(HelmRecordError::Mislabelled { secret, namespace }),
            Err(why) => Err(HelmRecordError::Unreadable { secret, namespace, why }),
        }
    }

    /// Returns a problem for each archive name that another Secret occupies.
    pub fn taken_names(&self, found: &HelmRecords) -> Result<Vec<Obstacle>, Failure> {
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
                taken.push(Obstacle::ArchiveName { secret: name, revision: *number });
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
            MANAGED_BY_LABEL: MANAGED_BY,
            INSTANCE_LABEL: self.release.as_str(),
            COMPONENT_LABEL: HELM_ARCHIVE,
        })
    }

    /// Returns whether a Secret has the type, immutability and labels of an archive.
    fn is_marked(&self, secret: &Value) -> bool {
        let marks = self.marks();
        let labels = &secret["metadata"]["labels"];
        let has = |(label, value): (&String, &Value)| labels.get(label) == Some(value);
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
        let (folder, selector) = (path(&self.secret("")), escaped(selector));
        let next =
            if page.is_empty() { String::new() } else { format!("&continue={}", escaped(page)) };
        let request =
            Request::get_path(format!("{folder}?labelSelector={selector}&limit={PAGE}{next}"));
        Ok(self.cluster.call(&request)?)
    }

    fn selector(&self) -> String {
        format!("owner=helm,name={}", self.release)
    }

    fn secret(&self, name: &str) -> ObjectKey {
        ObjectKey::of(Kind::Secret, self.namespace, name)
    }

    fn not_found(&self) -> Result<HelmRecordError, Failure> {
        let mut list = self.page("owner=helm", "")?;
        let mut others = BTreeSet::new();
        for secret in items(&mut list) {
            wipe(&mut secret["data"]);
            others.extend(
                secret.pointer("/metadata/labels/name").and_then(Value::as_str).map(str::to_owned),
            );
        }
        let others = others.into_iter().collect();
        let (release, namespace) = (self.release.clone(), self.namespace.to_owned());
        Ok(HelmRecordError::NotFound { release, namespace, others })
    }

    /// Returns whether any record was archived.
    pub fn has_archive(&self) -> Result<bool, Failure> {
        let selector = format!("{COMPONENT_LABEL}={HELM_ARCHIVE},{}", instance_label(self.release));
        let (mut is_there, mut room) = (false, UNPACKED_SUM_MAX);
        self.each(&selector, |secret| {
            is_there = self.is_archive(secret, &mut room);
            wipe(&mut secret["data"]);
            Ok(!is_there)
        })?;
        Ok(is_there)
    }

    /// Archives all records; returns the names of the archives.
    pub fn archive(&self, session: &Session) -> Result<Vec<String>, Failure> {
        let mut archived = Vec::new();
        for _ in 0..ROUNDS {
            let names = oldest_first(self.release, |page| self.page(&self.selector(), page))?;
            if names.is_empty() {
                return Ok(archived);
            }
            for name in names {
                // Another client may have deleted it.
                if let Some(mut record) = self.cluster.find(&self.secret(&name))? {
                    archived.push(self.archive_one(session, &mut record)?);
                }
            }
        }
        Err(HelmRecordError::KeepsGrowing(self.release.clone()).into())
    }

    fn archive_one(&self, session: &Session, record: &mut Value) -> Result<String, Failure> {
        let name = self.archive_name(required_number(record)?);
        let target = self.secret(&name);
        let mut copy = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace, "labels": self.marks()},
            "immutable": true,
            "data": record["data"],
        });

        let made: Result<(), Failure> = match session.write(&Write::create(&target, &copy)) {
            // An identical archive is that of an earlier run.
            Err(error) if error.code() == 409 => match session.find(&target)? {
                Some(mut there) if self.is_marked(&there) && there["data"] == record["data"] => {
                    wipe(&mut there["data"]);
                    Ok(())
                }
                _ => Err(HelmRecordError::ArchiveTaken { secret: name.clone() }.into()),
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
        delete(session, &self.secret(name_of(record)), record)?;
        Ok(name)
    }
}

/// Returns the digest of a Secret's values.
fn content(secret: &Value) -> Digest {
    Digest::of(Zeroizing::new(secret["data"].to_string()).as_bytes())
}
