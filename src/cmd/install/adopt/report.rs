//! The report of `adopt`: the fate of the release, then the plan of the rollout.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::super::report::ApplyReport;
use crate::helm::disposition::{Fate, Handed, named};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The fate of a release and the plan of the rollout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdoptReport<'a> {
    pub(super) helm: HelmPart,
    #[serde(flatten)]
    pub(super) apply: ApplyReport<'a>,
}

/// The release.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HelmPart {
    pub(super) release: String,
    #[serde(skip)]
    pub(super) namespace: String,
    /// Absent if Helm has no record of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<u64>,
    /// Whether the archived records show that it was adopted before.
    #[serde(skip)]
    pub(super) is_archived: bool,
    pub(super) objects: Vec<Handed>,
    /// The revision whose keys the relay runs with, according to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_from_revision: Option<u64>,
    /// Keys that the bundle expects in other Secrets than the chart did.
    pub(super) carried: Vec<String>,
    /// The version of the Secret that the values come from; none if nothing is carried.
    #[serde(skip)]
    pub(super) source: Option<String>,
    /// Secrets that now hold Helm's records; empty in a plan.
    pub(super) archived: Vec<String>,
}

impl HelmPart {
    /// Returns the objects with data that are deleted and recreated.
    pub(super) fn cleared(&self) -> impl Iterator<Item = &Handed> {
        self.objects.iter().filter(|handed| matches!(handed.fate, Fate::Recreate | Fate::Replace))
    }

    /// Returns the part of the plan hash that covers the release. It has no secret values, but the
    /// version of the Secret that holds them.
    pub(super) fn approved(&self) -> Value {
        json!({
            "release": self.release,
            "revision": self.revision,
            "objects": self.objects,
            "keyFromRevision": self.key_from_revision,
            "carried": self.carried,
            "source": self.source,
        })
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let revision = match self.revision {
            Some(number) => format!("revision {number}"),
            None if self.is_archived => "adopted before".to_owned(),
            None => "Helm has no record of it".to_owned(),
        };
        writeln!(out, "Helm release {} ({revision})", self.release)?;
        for handed in &self.objects {
            writeln!(out, "{}", safe(&self.line(handed)))?;
        }
        for carried in &self.carried {
            writeln!(out, "carry     {}", safe(carried))?;
        }
        for archive in &self.archived {
            writeln!(out, "archive   Secret/{archive}")?;
        }
        Ok(())
    }

    fn line(&self, handed: &Handed) -> String {
        let key = named(&handed.key, &self.namespace);
        match handed.fate {
            Fate::Adopt => format!("adopt     {key}"),
            Fate::Recreate => {
                format!("recreate  {key}: deleted without its pods, and recreated on the same PVC")
            }
            Fate::Replace => {
                format!(
                    "replace   {key}: stops with its pods before the bundle's starts on the same \
                     PVC"
                )
            }
            Fate::Prune => {
                format!("release   {key}: deleted after the rollout, once unreferenced")
            }
            Fate::Keep => {
                format!("keep      {key}: it has data, and no longer belongs to a release")
            }
            Fate::Leave => {
                format!("leave     {key}: no bundle has this kind; nothing will delete it")
            }
            Fate::Foreign => {
                format!("foreign   {key}: not marked as part of this release; left unchanged")
            }
            Fate::Gone => format!("gone      {key}: it was deleted"),
        }
    }
}

impl Report for AdoptReport<'_> {
    const SCHEMA: &'static str = "adopt/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.helm.write(out)?;
        self.apply.write_human(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::model::object_key::ObjectKey;
    use crate::rollout::plan_hash::bound;

    fn part() -> HelmPart {
        let key = ObjectKey {
            api_version: "v1".into(),
            kind: "Secret".into(),
            namespace: "ns".into(),
            name: "x".into(),
        };
        HelmPart {
            release: "r".into(),
            namespace: "ns".into(),
            revision: Some(2),
            is_archived: false,
            objects: vec![Handed { key, fate: Fate::Keep }],
            key_from_revision: Some(1),
            carried: vec!["Secret/y: k, from revision 1".into()],
            source: Some("uid/7".into()),
            archived: Vec::new(),
        }
    }

    #[test]
    fn whatever_becomes_otherwise_of_a_release_has_another_hash() {
        let hash = |part: &HelmPart| bound(Digest::of(b"plan"), &part.approved());
        assert_eq!(hash(&part()), hash(&part()));
        let changed = |change: &dyn Fn(&mut HelmPart)| {
            let mut part = part();
            change(&mut part);
            hash(&part)
        };
        let mut all = vec![
            hash(&part()),
            bound(Digest::of(b"another plan"), &part().approved()),
            changed(&|part| part.revision = Some(3)),
            changed(&|part| part.objects[0].fate = Fate::Leave),
            changed(&|part| part.objects.clear()),
            changed(&|part| part.key_from_revision = None),
            changed(&|part| part.carried.clear()),
            changed(&|part| part.source = Some("uid/8".into())),
        ];
        let number = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), number);
    }
}
