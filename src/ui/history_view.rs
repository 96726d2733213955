//! Shows the generations in the record of an installation.

use std::io::{self, Write};

use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::model::timestamp::Timestamp;
use crate::rollout::record::{GenerationEntry, GenerationProgress};

/// All generations of an installation.
#[derive(Debug, Serialize)]
pub struct HistoryReport {
    pub name: String,
    pub namespace: String,
    pub context: String,
    /// Newest first.
    pub generations: Vec<GenerationReport>,
}

/// A generation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationReport {
    generation: u64,
    state: GenerationProgress,
    content_id: String,
    profile: String,
    serial: u64,
    /// The generation that a rollback took the content from.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_of: Option<u64>,
    /// When the generation reached this state.
    recorded: Timestamp,
}

impl GenerationReport {
    /// Describes an entry of the record.
    pub fn of(entry: &GenerationEntry) -> Self {
        Self {
            generation: entry.generation,
            state: entry.state,
            content_id: entry.content_id.prefixed(),
            profile: entry.profile.to_string(),
            serial: entry.serial,
            content_of: entry.content_of,
            recorded: entry.recorded,
        }
    }

    /// Writes the generation on one line of a list.
    fn write_line(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { generation, state, serial, recorded, .. } = self;
        let (profile, content) = (safe(&self.profile), self.content());
        writeln!(
            out,
            "{generation:>4}  {state:<10}  {recorded}  {profile}  serial {serial}  {content}"
        )
    }

    /// Writes the generation as a paragraph of a page.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub(super) fn write_paragraph(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { generation, state, serial, recorded, .. } = self;
        let (profile, content) = (safe(&self.profile), self.content());
        writeln!(
            out,
            "{state:<12}generation {generation}: {profile}, serial {serial}, {recorded}"
        )?;
        writeln!(out, "{:<12}{content}", "")
    }

    /// Returns the content id, and the generation that it was taken from.
    fn content(&self) -> String {
        let of = self.content_of.map(|of| format!("  back to {of}")).unwrap_or_default();
        format!("{}{of}", self.content_id)
    }
}

impl Report for HistoryReport {
    const SCHEMA: &'static str = "history/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.generations.iter().try_for_each(|generation| generation.write_line(out))
    }
}
