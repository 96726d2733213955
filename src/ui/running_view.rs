//! Shows the images that containers run, compared with those that a bundle pins.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::escape::safe;
use super::style::{CHANGED, FAINT, REMOVED, paint};
use crate::diff::running::{RunningImage, RunningState};

/// Writes the number of containers that run pinned images, then problems, other images, and unknown
/// ones, each image once.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write(images: &[RunningImage], out: &mut dyn Write) -> io::Result<()> {
    let count = |state: RunningState| images.iter().filter(|image| image.state == state).count();
    let (same, unknown) = (count(RunningState::Same), count(RunningState::Unknown));
    let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} unknown") };
    writeln!(
        out,
        "{:<12}{same} of {} containers run the pinned images{unknown}",
        "running",
        images.len()
    )?;

    let mut sorted: Vec<&RunningImage> = images.iter().collect();
    sorted.sort_by_key(|image| (image.is_well(), image.state == RunningState::Unknown));
    let mut told = BTreeSet::new();
    let lines = sorted.into_iter().filter_map(line).filter(|line| told.insert(line.clone()));
    lines.into_iter().try_for_each(|line| writeln!(out, "  {line}"))
}

/// Returns a line for a container that is not known to run its pinned image.
fn line(image: &RunningImage) -> Option<String> {
    let RunningImage { pod, container, image: reference, reported, .. } = image;
    let reported = reported.as_deref();
    let text = match (image.state, reported) {
        (RunningState::Same, _) => return None,
        (RunningState::Other, _) => {
            format!("runs {}, not `{reference}`: another image", reported.unwrap_or_default())
        }
        (RunningState::Unknown, Some(reported)) => {
            format!(
                "`{reference}`: the runtime reports {reported}, which may be the digest of its index"
            )
        }
        (RunningState::Unknown, None) => format!("`{reference}`: the runtime reports no image"),
        (RunningState::Unlisted, _) => format!("`{reference}` is not an image of the bundle"),
    };

    let (mark, style) = match image.state {
        _ if !image.is_well() => ('!', REMOVED),
        RunningState::Unlisted => ('~', CHANGED),
        _ => ('~', FAINT),
    };

    // An unknown image is unknown for every pod, so name none.
    let place = if image.state == RunningState::Unknown {
        String::new()
    } else {
        format!("{pod}/{container}: ")
    };
    Some(paint(style, format_args!("{mark} {}", safe(&format!("{place}{text}")))))
}
