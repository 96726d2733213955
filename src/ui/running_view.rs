//! Which images containers run, beside those that a bundle pins.

use std::io::{self, Write};

use super::escape::safe;
use super::style::{CHANGED, FAINT, REMOVED, paint};
use crate::plan::running::{RunningImage, RunningState};

/// Writes how many containers run what is pinned, and a line for each other one.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write(images: &[RunningImage], out: &mut dyn Write) -> io::Result<()> {
    let same = images.iter().filter(|image| image.state == RunningState::Same).count();
    let all = images.len();
    let containers = if all == 1 { "container runs" } else { "containers run" };
    writeln!(out, "{:<12}{same} of {all} {containers} the images that the bundle pins", "running")?;
    images.iter().filter_map(line).try_for_each(|line| writeln!(out, "  {line}"))
}

/// Returns what there is to say of a container that does not run what is pinned for certain.
fn line(image: &RunningImage) -> Option<String> {
    let RunningImage { pod, container, image: reference, reported, .. } = image;
    let reported = reported.as_deref();
    let text = match (image.state, reported) {
        (RunningState::Same, _) => return None,
        (RunningState::Other, _) => {
            format!("`{reference}` is {}: another image", reported.unwrap_or_default())
        }
        (RunningState::Unknown, Some(reported)) => {
            format!("`{reference}` is {reported}: not a digest that the bundle has, perhaps that of an index")
        }
        (RunningState::Unknown, None) => format!("`{reference}`: the runtime reports no image"),
        (RunningState::Unlisted, _) => format!("`{reference}` is not an image of the bundle"),
    };
    let (mark, style) = match image.state {
        _ if !image.is_well() => ('!', REMOVED),
        RunningState::Unlisted => ('~', CHANGED),
        _ => ('~', FAINT),
    };
    Some(paint(style, format_args!("{mark} {}", safe(&format!("{pod}/{container}: {text}")))))
}
