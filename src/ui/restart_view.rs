//! The report of `restart`.

use std::io::{self, Write};

use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::model::object_key::ObjectKey;
use crate::model::timestamp::Timestamp;

/// A restart, planned or done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartReport<'a> {
    pub context: &'a str,
    pub cluster_uid: &'a str,
    /// The restarted workload.
    #[serde(flatten)]
    pub key: &'a ObjectKey,
    /// Absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<Timestamp>,
}

impl Report for RestartReport<'_> {
    const SCHEMA: &'static str = "restart/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place =
            format!("{} in namespace {} of context {}", self.key, self.key.namespace, self.context);
        match self.restarted_at {
            None => writeln!(out, "restart   {}", safe(&place)),
            Some(at) => writeln!(out, "{} was restarted at {at}, and is ready", safe(&place)),
        }
    }
}
