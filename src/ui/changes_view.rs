//! Shows the changes of objects: field by field, then the pods that restart, then warnings.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::bumps_view::Bumps;
use super::escape::safe;
use super::style::{ADDED, CHANGED, FAINT, HEADING, REMOVED, paint};
use crate::diff::changes::{ChangeKind, ObjectChange};
use crate::diff::fields::FieldChange;
use crate::diff::restart::{Forecast, Restart};
use crate::diff::warning::Warning;
use crate::model::printable::{common_start, part};
use crate::render::yaml::to_yaml;

/// The largest number of lines in both texts together that are compared line by line: a hostile
/// text would take hours.
const LINES_MAX: usize = 4000;
/// The longest list or map that stays on the line of its field.
const INLINE_CHARS: usize = 80;
/// The longest value of a folded field, and the part that is shown of a longer one.
const FOLDED_OVER_CHARS: usize = 160;
const FOLDED_CHARS: usize = 60;
/// The number of equal lines that are shown around changed lines.
const CONTEXT_LINES: usize = 2;

/// Writes the differences between two sets of objects.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write_changes(
    changed: &[ObjectChange],
    forecasts: &[Forecast],
    warnings: &[Warning],
    out: &mut dyn Write,
) -> io::Result<()> {
    objects(changed, out)?;
    workloads(forecasts, out)?;
    write_warnings(warnings, out)
}

/// Writes the warnings.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write_warnings(warnings: &[Warning], out: &mut dyn Write) -> io::Result<()> {
    if !warnings.is_empty() {
        heading("Warnings", out)?;
        warnings
            .iter()
            .try_for_each(|warning| writeln!(out, "  ! {}", safe(&warning.to_string())))?;
    }
    Ok(())
}

pub(super) fn heading(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", paint(HEADING, text))
}

fn objects(objects: &[ObjectChange], out: &mut dyn Write) -> io::Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    heading("Objects", out)?;
    // Added and removed objects fit on one screen; details follow.
    let (changed, whole): (Vec<_>, Vec<_>) =
        objects.iter().partition(|object| object.change == ChangeKind::Changed);
    whole.into_iter().try_for_each(|change| object(change, out))?;
    let bumps = Bumps::of(changed.iter().copied());
    bumps
        .lines()
        .try_for_each(|line| writeln!(out, "  {}", paint(CHANGED, format_args!("~ {line}"))))?;
    let mut others = changed.into_iter().filter(|change| !bumps.show(change));
    others.try_for_each(|change| object(change, out))
}

fn object(object: &ObjectChange, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style) = match object.change {
        ChangeKind::Added => ('+', ADDED),
        ChangeKind::Removed => ('-', REMOVED),
        ChangeKind::Changed => ('~', CHANGED),
    };
    let renamed = match (&object.old_name, &object.new_name) {
        (Some(old), Some(new)) => paint(FAINT, format_args!(" ({} -> {})", safe(old), safe(new))),
        _ => String::new(),
    };
    let name = format!("{}/{}", safe(&object.kind), safe(&object.name));
    writeln!(out, "  {}{}", paint(style, format_args!("{mark} {name}")), renamed)?;
    write_fields(object, &object.fields, Detail::Whole, out)
}

/// How much of long values is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Whole,
    /// The start of a long value, or where it differs from the other one, and its length.
    Folded,
}

impl Detail {
    fn of(self, [old, new]: [Option<String>; 2]) -> [Option<String>; 2] {
        let equal = match (&old, &new) {
            (Some(old), Some(new)) => common_start([old, new]),
            _ => 0,
        };
        [old, new]
            .map(|text| text.map(|text| if self == Self::Whole { text } else { fold(text, equal) }))
    }

    /// Returns a large value with its long texts cut short, such as a script in a container.
    fn of_texts(self, value: &Value) -> Cow<'_, Value> {
        match value {
            value if self == Self::Whole => Cow::Borrowed(value),
            Value::String(text) if text.chars().count() > FOLDED_OVER_CHARS => {
                Cow::Owned(Value::String(fold(text.replace('\n', " "), 0)))
            }
            Value::Array(items) => {
                Cow::Owned(items.iter().map(|item| self.of_texts(item).into_owned()).collect())
            }
            Value::Object(fields) => {
                let short = |(key, value): (&String, &Value)| {
                    (key.clone(), self.of_texts(value).into_owned())
                };
                Cow::Owned(Value::Object(fields.iter().map(short).collect()))
            }
            other => Cow::Borrowed(other),
        }
    }
}

/// Cuts a long value short, to the part after `equal` characters that the other value has as well.
fn fold(text: String, equal: usize) -> String {
    let chars = text.chars().count();
    if chars <= FOLDED_OVER_CHARS {
        return text;
    }
    let start = if equal < FOLDED_CHARS { 0 } else { equal.saturating_sub(FOLDED_CHARS / 4) };
    format!("{} ({chars} characters)", part(&text, start, FOLDED_CHARS))
}

/// Writes changed fields of an object, and the number of fields that only follow from other
/// changes.
///
/// # Errors
///
/// When `out` cannot be written.
pub(super) fn write_fields<'a>(
    object: &ObjectChange,
    fields: impl IntoIterator<Item = &'a FieldChange>,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (following, own): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| field.follows);
    own.into_iter().try_for_each(|change| field(change, "      ", detail, out))?;
    match following.len() {
        0 => Ok(()),
        // The line above has the new name.
        1 if object.old_name.is_some() => Ok(()),
        1 => writeln!(out, "      {}", paint(FAINT, "(1 field follows from other changes)")),
        number => {
            writeln!(
                out,
                "      {}",
                paint(FAINT, format_args!("({number} fields follow from other changes)"))
            )
        }
    }
}

/// Returns the mark and the style of a change, from whether the old and the new value exist.
pub(super) fn mark(old: bool, new: bool) -> (char, Style) {
    match (old, new) {
        (false, _) => ('+', ADDED),
        (_, false) => ('-', REMOVED),
        _ => ('~', CHANGED),
    }
}

pub(super) fn field(
    change: &FieldChange,
    indent: &str,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mark, style) = mark(change.old.is_some(), change.new.is_some());
    let path = change.path.to_string();
    let head = format!("{mark} {}:", safe(&path));
    if let (Some(Value::String(old)), Some(Value::String(new))) = (&change.old, &change.new)
        && (old.contains('\n') || new.contains('\n'))
    {
        writeln!(out, "{indent}{}", paint(style, head))?;
        return lines(old, new, &format!("{indent}    "), out);
    }
    let short = detail.of([&change.old, &change.new].map(|value| value.as_ref().and_then(inline)));
    match (&change.old, &change.new, short) {
        (Some(_), Some(_), [Some(old), Some(new)]) => {
            writeln!(out, "{indent}{} {old} -> {new}", paint(style, head))
        }
        (Some(_), None, [Some(value), _]) | (None, Some(_), [_, Some(value)]) => {
            writeln!(out, "{indent}{} {value}", paint(style, head))
        }
        (old, new, _) => {
            writeln!(out, "{indent}{}", paint(style, head))?;
            let [old, new] =
                [old, new].map(|value| value.as_ref().map(|value| detail.of_texts(value)));
            block(old.as_deref(), '-', REMOVED, indent, out)?;
            block(new.as_deref(), '+', ADDED, indent, out)
        }
    }
}

/// Returns a value that fits on a line. An ambiguous text gets quotes.
fn inline(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => {
            let is_ambiguous = text.is_empty()
                || text.trim() != text
                || text.contains(" -> ")
                || serde_json::from_str::<Value>(text).is_ok();
            if is_ambiguous { value.to_string() } else { text.clone() }
        }
        other => other.to_string(),
    };
    let shown = safe(&text).into_owned();
    (shown.chars().count() <= INLINE_CHARS || !matches!(value, Value::Object(_) | Value::Array(_)))
        .then_some(shown)
}

/// Writes a large value as YAML.
fn block(
    value: Option<&Value>,
    mark: char,
    style: Style,
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    for line in to_yaml(value).lines() {
        writeln!(out, "{indent}    {}", paint(style, format_args!("{mark} {}", safe(line))))?;
    }
    Ok(())
}

/// Writes the differences between two texts, line by line.
fn lines(old: &str, new: &str, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    let (old_lines, new_lines) = (old.split('\n').count(), new.split('\n').count());
    if old_lines + new_lines > LINES_MAX {
        return writeln!(
            out,
            "{indent}{old_lines} lines, now {new_lines}: too many to compare here"
        );
    }

    let diff = TextDiff::from_lines(old, new);
    for (at, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if at > 0 {
            writeln!(out, "{indent}{}", paint(FAINT, "…"))?;
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let (mark, style) = match change.tag() {
                ChangeTag::Delete => ('-', REMOVED),
                ChangeTag::Insert => ('+', ADDED),
                ChangeTag::Equal => (' ', FAINT),
            };
            let line = change.value().strip_suffix('\n').unwrap_or(change.value());
            writeln!(out, "{indent}{}", paint(style, format_args!("{mark} {}", safe(line))))?;
            if change.missing_newline() {
                writeln!(out, "{indent}{}", paint(FAINT, "  (no newline at the end)"))?;
            }
        }
    }
    Ok(())
}

fn workloads(workloads: &[Forecast], out: &mut dyn Write) -> io::Result<()> {
    if workloads.is_empty() {
        return Ok(());
    }
    heading("Pods", out)?;
    for workload in workloads {
        let (style, what) = match workload.restart {
            Restart::Yes => {
                (CHANGED, format!("restart: yes, because {}", workload.reasons.join("; ")))
            }
            Restart::No => (FAINT, "restart: no".to_owned()),
            Restart::Added => (ADDED, "new pods".to_owned()),
            Restart::Removed => (REMOVED, "its pods stop".to_owned()),
        };
        let name = format!("{}/{}", safe(&workload.kind), safe(&workload.name));
        writeln!(out, "  {name}  {}", paint(style, safe(&what)))?;
        workload.notes.iter().try_for_each(|note| writeln!(out, "      {}", safe(note)))?;
    }
    Ok(())
}
