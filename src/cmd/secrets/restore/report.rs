//! The report of `secrets restore`.

use std::io::{self, Write};

use serde::Serialize;

use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestoreReport<'a> {
    pub(super) context: &'a str,
    pub(super) cluster_uid: &'a str,
    pub(super) namespace: &'a str,
    /// Secrets to create, with their keys.
    pub(super) restored: &'a [String],
    /// Existing Secrets with the same values.
    pub(super) unchanged: &'a [String],
    /// Secrets in the file to which the bundle does not refer.
    pub(super) left_out: &'a [String],
    /// Secrets to which the bundle refers and which the file lacks.
    pub(super) lacking: &'a [String],
    /// Whether the Secrets were created: false in a dry run.
    pub(super) done: bool,
}

impl Report for RestoreReport<'_> {
    const SCHEMA: &'static str = "secrets-restore/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let verb = if self.done { "restored " } else { "restore  " };
        let lists =
            [(verb, self.restored), ("unchanged", self.unchanged), ("left out ", self.left_out)];
        for (verb, secrets) in lists {
            for secret in secrets {
                writeln!(out, "{verb}  {}", safe(secret))?;
            }
        }
        self.lacking
            .iter()
            .try_for_each(|secret| writeln!(out, "lacking    {}: not in the file", safe(secret)))
    }
}
