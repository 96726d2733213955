//! Compares a cluster with a bundle: missing, differing and surplus objects.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::escape::safe;
use super::running_view;
use super::style::{ADDED, CHANGED, FAINT, REMOVED, paint};
use crate::diff::drift::Drift;
use crate::diff::running::RunningImage;
use crate::model::object_key::ObjectKey;
use crate::model::printable::cut;

/// The longest value that is shown whole; the JSON report never truncates.
const VALUE_CHARS: usize = 120;

/// The result of comparing a cluster with a bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveReport {
    pub context: String,
    pub cluster_uid: String,
    /// The running generation of the record; absent if none runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The content of that generation, which may differ from the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    pub same: bool,
    /// The objects that differ from the bundle.
    pub objects: Vec<LiveObject>,
    /// The missing objects that the bundle requires.
    pub missing: Vec<String>,
    /// Secrets that replaced those of the last generation.
    pub replaced: Vec<String>,
    /// The objects that were not checked: their kind is unknown, or a permission is missing.
    pub unseen: Vec<String>,
    /// The images that the pods run; absent if the bundle pins no images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Vec<RunningImage>>,
}

/// An object that differs from the bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveObject {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub change: LiveChange,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Drift>,
    /// The reason why the server would refuse the bundle's object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LiveChange {
    /// The bundle has it, and the cluster does not.
    Missing,
    Differs,
    /// It is recorded as installed, and the bundle does not have it.
    Surplus,
}

impl LiveObject {
    /// Describes an object, without its fields.
    pub fn new(key: ObjectKey, change: LiveChange) -> Self {
        Self { key, change, fields: Vec::new(), refused: None }
    }
}

/// Writes the comparison.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write(report: &LiveReport, out: &mut dyn Write) -> io::Result<()> {
    let place = format!("context {} (cluster {})", report.context, report.cluster_uid);
    let runs = match (report.generation, &report.content_id) {
        (Some(generation), Some(content_id)) => {
            format!("generation {generation} of {content_id} is running")
        }
        _ => "no generation is running, according to the record".to_owned(),
    };
    writeln!(out, "{:<12}{}: {runs}", "live", safe(&place))?;
    report
        .unseen
        .iter()
        .try_for_each(|unseen| writeln!(out, "{:<12}not checked: {}", "", safe(unseen)))?;

    let text = match report.objects.len() {
        0 => "every object matches the bundle".to_owned(),
        1 => paint(REMOVED, "1 object does not match the bundle"),
        number => paint(REMOVED, format_args!("{number} objects do not match the bundle")),
    };
    writeln!(out, "{:<12}{text}", "")?;
    report.objects.iter().try_for_each(|object| write_object(object, out))?;

    report.missing.iter().try_for_each(|missing| {
        writeln!(
            out,
            "  {}: required, but missing",
            paint(REMOVED, format_args!("- {}", safe(missing)))
        )
    })?;
    report.replaced.iter().try_for_each(|other| {
        writeln!(out, "  {}", paint(CHANGED, format_args!("~ {}", safe(other))))
    })?;
    report.running.as_ref().map_or(Ok(()), |images| running_view::write(images, out))
}

fn write_object(object: &LiveObject, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style, what) = match object.change {
        LiveChange::Missing => ('-', REMOVED, ": missing"),
        LiveChange::Differs => ('~', CHANGED, ""),
        LiveChange::Surplus => ('+', ADDED, ": installed, but not in the bundle"),
    };
    let name = object.key.to_string();
    writeln!(out, "  {}{what}", paint(style, format_args!("{mark} {}", safe(&name))))?;
    object.fields.iter().try_for_each(|drift| writeln!(out, "      {}", drift_line(drift)))?;
    match &object.refused {
        Some(why) => writeln!(out, "      the server refuses the bundle's version: {}", safe(why)),
        None => Ok(()),
    }
}

/// Returns the line for a field that differs from the bundle.
pub fn drift_line(Drift { path, live, wanted, managers }: &Drift) -> String {
    let path = path.to_string();
    let text = match (live, wanted) {
        (Some(live), Some(wanted)) => {
            format!("{}, in the bundle {}", shown(live), shown(wanted))
        }
        (None, Some(wanted)) => format!("missing, in the bundle {}", shown(wanted)),
        (live, None) => {
            format!("{}, not in the bundle", live.as_ref().map(shown).unwrap_or_default())
        }
    };
    let managers =
        if managers.is_empty() { String::new() } else { format!(" ({})", managers.join(", ")) };
    format!("{}: {}{}", safe(&path), safe(&text), paint(FAINT, safe(&managers)))
}

fn shown(value: &Value) -> String {
    cut(&value.to_string(), VALUE_CHARS)
}
