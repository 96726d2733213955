//! Masks values that the control plane chooses: address, version, uids, pod names, and the order in
//! which objects become ready.

use std::fmt::Write as _;

use crate::control_plane::ControlPlane;

/// The letters of Kubernetes' random names.
const NAME_LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";
/// The number of digits in each part of a uid.
const UID_PARTS: [usize; 5] = [8, 4, 4, 4, 12];
const UID_LENGTH: usize = 36;

/// Replaces the folder, the address and the version of a control plane.
pub(super) fn mask_plane(plane: &ControlPlane, text: &str) -> String {
    let text = text.replace(plane.folder().to_str().unwrap(), "[cluster]");
    let text = text.replace(&plane.server().to_string(), "[server]");
    let mut parts = text.split("\"serverVersion\": \"v");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (_, after) = part.split_once('"').unwrap();
        text + "\"serverVersion\": \"[version]\"" + after
    })
}

/// Replaces uids and the random suffixes of pod names by numbers; equal values get equal numbers.
pub(super) fn mask_names(text: &str) -> String {
    let (mut masked, mut rest) = (String::new(), text);
    let (mut uids, mut pods) = (Vec::new(), Vec::new());
    while let Some(first) = rest.chars().next() {
        let begins_word = !masked.ends_with(|c: char| c.is_ascii_alphanumeric());
        if begins_word && rest.get(..UID_LENGTH).is_some_and(is_uid) {
            write!(masked, "[uid {}]", number(&mut uids, &rest[..UID_LENGTH])).unwrap();
            rest = &rest[UID_LENGTH..];
        } else if let Some(end) = pod_end(rest).filter(|_| !begins_word) {
            write!(masked, "-[pod {}]", number(&mut pods, end)).unwrap();
            rest = &rest[end.len()..];
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

/// Returns the number of a value: the first one is 1.
fn number<'a>(seen: &mut Vec<&'a str>, value: &'a str) -> usize {
    let at = seen.iter().position(|one| *one == value).unwrap_or_else(|| {
        seen.push(value);
        seen.len() - 1
    });
    at + 1
}

fn is_uid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq(UID_PARTS) && parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the suffix of a Deployment's pod name at the start of `text`: the template's hash and
/// five letters, each after a hyphen.
fn pod_end(text: &str) -> Option<&str> {
    let is_letter = |c: char| NAME_LETTERS.contains(c);
    let hash = text.strip_prefix('-')?;
    let after_hash = hash.trim_start_matches(is_letter);
    let letters = after_hash.strip_prefix('-')?;
    let rest = letters.trim_start_matches(is_letter);
    let is_whole = !rest.starts_with(|c: char| c == '-' || c.is_ascii_alphanumeric());
    let lengths = (hash.len() - after_hash.len(), letters.len() - rest.len());
    let is_pod = is_whole && matches!(lengths, (6..=10, 5));
    is_pod.then(|| &text[..text.len() - rest.len()])
}

/// Sorts consecutive `ready` lines: the order in which objects become ready is random.
pub(super) fn sort_ready(text: &str) -> String {
    let is_ready = |line: &str| line.starts_with("ready  ");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut runs: Vec<Vec<&str>> =
        lines.chunk_by(|a, b| is_ready(a) && is_ready(b)).map(<[&str]>::to_vec).collect();
    for run in &mut runs {
        run.sort_unstable();
    }
    runs.concat().concat()
}
