//! Shows the changes that applying a bundle would make in a cluster.

use std::io::{self, Write};

use serde::Serialize;

use super::changes_view::{write_changes, write_warnings};
use super::escape::safe;
use super::printer::Report;
use crate::diff::changes::Changes;

/// The changes that applying a bundle would make in a cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveDiffReport {
    pub same: bool,
    pub context: String,
    pub namespace: String,
    /// The deployed generation according to the record. `old_content_id` is its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_content_id: Option<String>,
    pub new_origin: String,
    pub new_content_id: String,
    /// Objects that the server rejects, each with the reason.
    pub refused: Vec<String>,
    /// References of the bundle that the cluster does not satisfy.
    pub missing: Vec<String>,
    /// Objects that our permissions do not let us read.
    pub unseen: Vec<String>,
    #[serde(flatten)]
    pub changes: Changes,
}

impl Report for LiveDiffReport {
    const SCHEMA: &'static str = "diff-live/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place = format!("namespace {} of context {}", self.namespace, self.context);
        let runs = match (self.generation, &self.old_content_id) {
            (Some(generation), Some(content_id)) => {
                format!("generation {generation}, {content_id}")
            }
            _ => "nothing is installed, according to the record".to_owned(),
        };
        writeln!(out, "old  {}: {runs}", safe(&place))?;
        writeln!(out, "new  {}, {}", safe(&self.new_origin), self.new_content_id)?;
        let Changes { objects, workloads, warnings } = &self.changes;
        if self.same {
            writeln!(out, "no difference: everything that the bundle states is in place")?;
            write_warnings(warnings, out)?;
        } else {
            write_changes(objects, workloads, warnings, out)?;
        }
        self.refused
            .iter()
            .try_for_each(|refused| writeln!(out, "  ! the server refuses {}", safe(refused)))?;
        self.missing
            .iter()
            .try_for_each(|missing| writeln!(out, "  ! missing: {}", safe(missing)))?;
        self.unseen.iter().try_for_each(|unseen| writeln!(out, "  not checked: {}", safe(unseen)))
    }
}
