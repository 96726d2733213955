//! What is live beside a bundle: objects that are gone, are not as the bundle says, or are too
//! many.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::escape::safe;
use super::running_view;
use super::style::{ADDED, CHANGED, FAINT, REMOVED, paint};
use crate::diff::drift::Drift;
use crate::diff::running::RunningImage;
use crate::model::object_key::ObjectKey;

/// Values that are longer are cut: the report as JSON has them whole.
const VALUE_CHARS: usize = 120;

/// How a cluster stands to a bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveReport {
    pub context: String,
    pub cluster_uid: String,
    /// The generation that runs, by the record; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What that is of; which need not be the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    pub same: bool,
    /// What is not as the bundle says.
    pub objects: Vec<LiveObject>,
    /// What the bundle wants of the cluster, and is not there.
    pub missing: Vec<String>,
    /// Secrets in the place of those that the last generation used.
    pub replaced: Vec<String>,
    /// What may not be looked at.
    pub unseen: Vec<String>,
    /// What the pods run; absent where the bundle pins no images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Vec<RunningImage>>,
}

/// An object that is not as the bundle says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveObject {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub change: LiveChange,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Drift>,
    /// Why the server would not take the bundle's object, if it would not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LiveChange {
    /// The bundle has it, and the cluster has not.
    Missing,
    Differs,
    /// It is recorded as installed, and the bundle has it not.
    Surplus,
}

impl LiveObject {
    /// Tells of an object, without its fields.
    pub fn new(key: ObjectKey, change: LiveChange) -> Self {
        Self { key, change, fields: Vec::new(), refused: None }
    }
}

/// Writes how the cluster stands to the bundle.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write(report: &LiveReport, out: &mut dyn Write) -> io::Result<()> {
    let place = format!("context {} (cluster {})", report.context, report.cluster_uid);
    let runs = match (report.generation, &report.content_id) {
        (Some(generation), Some(content_id)) => {
            format!("generation {generation} of {content_id} runs")
        }
        _ => "no generation runs, by the record".to_owned(),
    };
    writeln!(out, "{:<12}{}: {runs}", "live", safe(&place))?;
    report
        .unseen
        .iter()
        .try_for_each(|unseen| writeln!(out, "{:<12}not checked: {}", "", safe(unseen)))?;
    let text = match report.objects.len() {
        0 => "every object is as the bundle says".to_owned(),
        1 => paint(REMOVED, "1 object is not as the bundle says"),
        number => paint(REMOVED, format_args!("{number} objects are not as the bundle says")),
    };
    writeln!(out, "{:<12}{text}", "")?;
    report.objects.iter().try_for_each(|object| write_object(object, out))?;
    report.missing.iter().try_for_each(|missing| {
        writeln!(
            out,
            "  {}: it is wanted, and missing",
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
        LiveChange::Missing => ('-', REMOVED, ": it is missing"),
        LiveChange::Differs => ('~', CHANGED, ""),
        LiveChange::Surplus => ('+', ADDED, ": it is installed, and the bundle has it not"),
    };
    let name = object.key.to_string();
    writeln!(out, "  {}{what}", paint(style, format_args!("{mark} {}", safe(&name))))?;
    object.fields.iter().try_for_each(|drift| writeln!(out, "      {}", drift_line(drift)))?;
    match &object.refused {
        Some(why) => writeln!(out, "      the server refuses the bundle's: {}", safe(why)),
        None => Ok(()),
    }
}

/// Returns what is to be said of a field that is not as the bundle says, on one line.
pub fn drift_line(Drift { path, live, wanted, managers }: &Drift) -> String {
    let path = path.to_string();
    let text = match (live, wanted) {
        (Some(live), Some(wanted)) => {
            format!("{}, and in the bundle {}", shown(live), shown(wanted))
        }
        (None, Some(wanted)) => format!("gone, and in the bundle {}", shown(wanted)),
        (live, None) => {
            format!("{}, and not in the bundle", live.as_ref().map(shown).unwrap_or_default())
        }
    };
    let managers =
        if managers.is_empty() { String::new() } else { format!(" ({})", managers.join(", ")) };
    format!("{}: {}{}", safe(&path), safe(&text), paint(FAINT, safe(&managers)))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARS {
        return text;
    }
    text.chars().take(VALUE_CHARS).chain(['…']).collect()
}
