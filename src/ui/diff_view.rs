//! Shows a diff as text: images and settings first, then objects field by field, then the pods that
//! restart.

use std::io::{self, Write};

use anstyle::Style;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::escape::safe;
use super::style::{ADDED, CHANGED, FAINT, HEADING, REMOVED, paint};
use crate::diff::changes::{Change, Diff, ObjectChange};
use crate::diff::fields::FieldChange;
use crate::diff::restart::{Forecast, Restart};
use crate::diff::warning::Warning;
use crate::images::reference::Reference;
use crate::render::yaml::to_yaml;

/// The largest number of lines in both texts together that are compared line by line: a hostile
/// text would take hours.
const LINES_MAX: usize = 4000;
/// The longest list or map that stays on the line of its field.
const INLINE_CHARS: usize = 80;
/// The number of equal lines that are shown around changed lines.
const CONTEXT_LINES: usize = 2;

/// Writes a diff.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    if diff.same {
        return writeln!(out, "no difference: both are {}", diff.new.content_id);
    }
    images(diff, out)?;
    section("Settings", &diff.settings, out)?;
    section("Recipe", &diff.recipe, out)?;
    section("Required in the cluster", &diff.contract, out)?;
    write_changes(&diff.objects, &diff.workloads, &diff.warnings, out)
}

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

fn heading(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", paint(HEADING, text))
}

fn images(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    if diff.images.is_empty() {
        return Ok(());
    }
    heading("Images", out)?;
    for image in &diff.images {
        let (mark, style) = mark(image.old.is_some(), image.new.is_some());
        let both = [&image.old, &image.new].map(Option::as_deref);
        let text = match both {
            [Some(old), Some(new)] => image_change(old, new),
            [one, other] => one.or(other).unwrap_or_default().to_owned(),
        };
        writeln!(out, "  {}", paint(style, format_args!("{mark} {}", safe(&text))))?;
        writeln!(out, "      {}", paint(FAINT, safe(&image.containers.join(", "))))?;
    }
    Ok(())
}

/// The number of digits of a digest that are shown.
const DIGEST_DIGITS: usize = 12;

/// Returns the change of an image. If the repository is the same, it contains only the differing
/// parts.
fn image_change(old: &str, new: &str) -> String {
    let whole = format!("{old} -> {new}");
    let (Ok(old), Ok(new)) = (old.parse::<Reference>(), new.parse::<Reference>()) else {
        return whole;
    };
    let (Some(old_digest), Some(new_digest)) = (old.digest(), new.digest()) else { return whole };
    if old.full().name() != new.full().name() {
        return whole;
    }
    let tag = |image: &Reference| image.tag().unwrap_or("without a tag").to_owned();
    let tags = match (tag(&old), tag(&new)) {
        (old, new) if old == new => old,
        (old, new) => format!("{old} -> {new}"),
    };
    let digests = if old_digest == new_digest {
        "same digest: the same image".to_owned()
    } else {
        format!("digest {} -> {}", old_digest.short(DIGEST_DIGITS), new_digest.short(DIGEST_DIGITS))
    };
    format!("{} {tags}, {digests}", new.name())
}

fn section(title: &str, changes: &[FieldChange], out: &mut dyn Write) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    heading(title, out)?;
    changes.iter().try_for_each(|change| field(change, "  ", out))
}

fn objects(objects: &[ObjectChange], out: &mut dyn Write) -> io::Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    heading("Objects", out)?;
    // Added and removed objects fit on one screen; details follow.
    let whole = objects.iter().filter(|object| object.change != Change::Changed);
    let changed = objects.iter().filter(|object| object.change == Change::Changed);
    whole.chain(changed).try_for_each(|change| object(change, out))
}

fn object(object: &ObjectChange, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style) = match object.change {
        Change::Added => ('+', ADDED),
        Change::Removed => ('-', REMOVED),
        Change::Changed => ('~', CHANGED),
    };
    let renamed = match (&object.old_name, &object.new_name) {
        (Some(old), Some(new)) => paint(FAINT, format_args!(" ({} -> {})", safe(old), safe(new))),
        _ => String::new(),
    };
    let name = format!("{}/{}", safe(&object.kind), safe(&object.name));
    writeln!(out, "  {}{}", paint(style, format_args!("{mark} {name}")), renamed)?;
    write_fields(object, out)
}

/// Writes the changed fields of an object, and the number of fields that only follow from other
/// changes.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write_fields(object: &ObjectChange, out: &mut dyn Write) -> io::Result<()> {
    let (following, own): (Vec<_>, Vec<_>) = object.fields.iter().partition(|field| field.follows);
    own.into_iter().try_for_each(|change| field(change, "      ", out))?;
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

fn mark(old: bool, new: bool) -> (char, Style) {
    match (old, new) {
        (false, _) => ('+', ADDED),
        (_, false) => ('-', REMOVED),
        _ => ('~', CHANGED),
    }
}

fn field(change: &FieldChange, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style) = mark(change.old.is_some(), change.new.is_some());
    let path = change.path.to_string();
    let head = format!("{mark} {}:", safe(&path));
    if let (Some(Value::String(old)), Some(Value::String(new))) = (&change.old, &change.new)
        && (old.contains('\n') || new.contains('\n'))
    {
        writeln!(out, "{indent}{}", paint(style, head))?;
        return lines(old, new, &format!("{indent}    "), out);
    }
    let short = [&change.old, &change.new].map(|value| value.as_ref().and_then(inline));
    match (&change.old, &change.new, short) {
        (Some(_), Some(_), [Some(old), Some(new)]) => {
            writeln!(out, "{indent}{} {old} -> {new}", paint(style, head))
        }
        (Some(_), None, [Some(value), _]) | (None, Some(_), [_, Some(value)]) => {
            writeln!(out, "{indent}{} {value}", paint(style, head))
        }
        (old, new, _) => {
            writeln!(out, "{indent}{}", paint(style, head))?;
            block(old.as_ref(), '-', REMOVED, indent, out)?;
            block(new.as_ref(), '+', ADDED, indent, out)
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
                (CHANGED, format!("restart: yes, because {}", workload.reasons.join(", ")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_of_an_image_names_what_differs() {
        let [a, b] = ["a", "b"].map(|digit| digit.repeat(64));
        for (old, new, text) in [
            (
                format!("r.example/x:v1@sha256:{a}"),
                format!("r.example/x:v2@sha256:{b}"),
                "r.example/x v1 -> v2, digest aaaaaaaaaaaa -> bbbbbbbbbbbb",
            ),
            (
                format!("r.example/x:v1@sha256:{a}"),
                format!("r.example/x:v2@sha256:{a}"),
                "r.example/x v1 -> v2, same digest: the same image",
            ),
            (
                format!("r.example/x:v1@sha256:{a}"),
                format!("r.example/x:v1@sha256:{b}"),
                "r.example/x v1, digest aaaaaaaaaaaa -> bbbbbbbbbbbb",
            ),
            ("redis:8.2".to_owned(), "redis:8.4".to_owned(), "redis:8.2 -> redis:8.4"),
        ] {
            assert_eq!(image_change(&old, &new), text);
        }
    }
}
