//! Shows the differences between two bundles: images and settings first, then objects and pods.

use std::io::{self, Write};

use serde::Serialize;

use super::changes_view::{Detail, field, heading, mark, write_changes};
use super::escape::safe;
use super::printer::Report;
use super::style::{FAINT, paint};
use crate::diff::changes::Diff;
use crate::diff::fields::FieldChange;
use crate::images::reference::ImageReference;

/// The differences, and the origins of both bundles.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffReport {
    pub old_origin: String,
    pub new_origin: String,
    #[serde(flatten)]
    pub diff: Diff,
}

impl Report for DiffReport {
    const SCHEMA: &'static str = "diff/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.diff.same {
            for (name, origin, side) in [
                ("old", &self.old_origin, &self.diff.old),
                ("new", &self.new_origin, &self.diff.new),
            ] {
                let place = format!("{} of {} in {}", side.name, side.profile, side.namespace);
                writeln!(out, "{name}  {} ({}), {}", safe(origin), safe(&place), side.content_id)?;
            }
        }
        write(&self.diff, out)
    }
}

/// Writes the differences.
fn write(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    if diff.same {
        return writeln!(out, "no difference: both are {}", diff.new.content_id);
    }
    images(diff, out)?;
    section("Settings", &diff.settings, out)?;
    section("Recipe", &diff.recipe, out)?;
    section("Required in the cluster", &diff.contract, out)?;
    write_changes(&diff.objects, &diff.workloads, &diff.warnings, out)
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
    let (Ok(old), Ok(new)) = (old.parse::<ImageReference>(), new.parse::<ImageReference>()) else {
        return whole;
    };
    let (Some(old_digest), Some(new_digest)) = (old.digest(), new.digest()) else { return whole };
    if old.full().name() != new.full().name() {
        return whole;
    }
    let tag = |image: &ImageReference| image.tag().unwrap_or("without a tag").to_owned();
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
    changes.iter().try_for_each(|change| field(change, "  ", Detail::Whole, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_change_names_what_differs() {
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
