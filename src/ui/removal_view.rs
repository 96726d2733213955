//! Shows the removal of an installation: the objects that are deleted, those that stay, and the fate
//! of a release that returns to Helm.

use std::io::{self, Write};

use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::helm::abandonment::{ReleasePart, Return, Returned};
use crate::model::command_line::kubectl_line;
use crate::model::text::ReleaseName;
use crate::model::words::count;
use crate::rollout::prune::Candidate;
use crate::rollout::removal::Stays;

/// The removal of an installation: the plan, or the result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveReport<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub context: &'a str,
    pub cluster_uid: &'a str,
    /// The objects to delete, in order.
    pub delete: Vec<&'a Candidate>,
    pub stays: Vec<Left<'a>>,
    /// The Helm release whose adoption is unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopting: Option<&'a ReleaseName>,
    /// The fate of that release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<&'a ReleasePart>,
    /// Whether the removal was done: false in a dry run.
    pub done: bool,
}

/// An object that stays.
#[derive(Debug, Serialize)]
pub struct Left<'a> {
    what: &'a str,
    why: &'static str,
    /// The command that deletes it after all; absent if we must not suggest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

impl<'a> Left<'a> {
    /// Describes an object that stays.
    pub fn of(Stays { what, why, delete }: &'a Stays) -> Self {
        let command = (!delete.is_empty()).then(|| kubectl_line(delete.iter().map(String::as_str)));
        Self { what, why, command }
    }
}

impl Report for RemoveReport<'_> {
    const SCHEMA: &'static str = "remove/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place =
            format!("{} in namespace {} of context {}", self.name, self.namespace, self.context);
        let place = safe(&place);
        if self.done {
            writeln!(out, "removed {place}: {} deleted", count(self.delete.len(), "object"))?;
        } else {
            writeln!(out, "removal of {place} ({})", self.cluster_uid)?;
            self.delete.iter().try_for_each(|gone| writeln!(out, "delete    {}", gone.key))?;
        }
        self.helm.iter().try_for_each(|part| write_release(part, out))?;
        for Left { what, why, command } in &self.stays {
            writeln!(out, "stays     {}: {why}", safe(what))?;
            command.iter().try_for_each(|command| writeln!(out, "          {}", safe(command)))?;
        }
        Ok(())
    }
}

/// Writes the fate of each object of a release, and the way on.
fn write_release(part: &ReleasePart, out: &mut dyn Write) -> io::Result<()> {
    let ReleasePart { release, revision, objects, encryption_key } = part;
    for Returned { key, act } in objects {
        let (verb, what) = fate(*act, *revision);
        writeln!(out, "{verb} {}: {what}", safe(&key.to_string()))?;
    }
    let key = encryption_key.iter().map(|secret| {
        format!(
            "; save Secret {secret} before an upgrade: the chart generates a new encryption key if \
             none is set"
        )
    });
    let key: String = key.collect();
    let what = format!(
        "release {release} is Helm's: `helm upgrade`, `helm uninstall` or `relay-bundle adopt`{key}"
    );
    writeln!(out, "helm      {}", safe(&what))
}

/// Returns the verb for the fate of an object, and its description.
fn fate(act: Return, revision: u64) -> (&'static str, String) {
    match act {
        Return::Untouched => ("untouched", "Helm's, as it was".to_owned()),
        Return::Return => ("return   ", format!("Helm's again, as in revision {revision}")),
        Return::ReturnData => {
            ("return   ", "Helm's again, with its content; `helm uninstall` deletes it".to_owned())
        }
        Return::Recreate => ("create   ", format!("Helm's, recreated as in revision {revision}")),
        Return::Replace => {
            ("replace  ", format!("deleted with its pods, and recreated as in revision {revision}"))
        }
        Return::Missing => ("missing  ", "it was deleted: restore it from a backup".to_owned()),
        Return::Foreign => ("foreign  ", "not part of this release; left unchanged".to_owned()),
        Return::Other => ("untouched", "Helm's; adoption does not touch this kind".to_owned()),
    }
}
