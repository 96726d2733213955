//! File modes as users write them: in octal digits, even if the format reads the digits as decimal.

/// The largest mode that Kubernetes accepts.
pub(super) const MODE_MAX: i64 = 0o777;

/// Returns whether a key of a volume holds a file mode.
pub fn is_mode_key(key: &str) -> bool {
    key == "defaultMode" || key == "mode"
}

/// Returns the mode that a decimal number spells in octal digits, if it is a usual file mode.
///
/// Other numbers, such as 420, which is 0o644, make no sense in octal.
pub(crate) fn meant(written: &str) -> Option<i64> {
    let mode = i64::from_str_radix(written, 8)
        .ok()
        .filter(|mode| written.len() == 3 && *mode <= MODE_MAX)?;
    let (owner, group, other) = (mode >> 6, mode >> 3 & 7, mode & 7);
    // A class without read permission has no other permission either, and the owner has the most
    // permissions.
    let is_sensible = |class: i64| class == 0 || class & 4 != 0;
    let is_within = |class: i64, wider: i64| class & !wider == 0;
    let is_usual = owner & 4 != 0 && is_sensible(group) && is_sensible(other);
    (is_usual && is_within(group, owner) && is_within(other, group)).then_some(mode)
}

/// Returns the TOML spelling of a mode in octal digits: `0o400` for `0400`.
pub(super) fn in_toml(digits: &str) -> Option<String> {
    let is_mode =
        (3..=5).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = i64::from_str_radix(digits, 8).ok().filter(|mode| is_mode && *mode <= MODE_MAX)?;
    Some(format!("0o{mode:o}"))
}

/// Returns the TOML spelling of the mode at `start` of a text that is not TOML because of the
/// mode's leading zero: `mode = 0400`.
pub(super) fn in_toml_at(text: &str, start: usize) -> Option<String> {
    let (before, rest) = text.split_at_checked(start)?;
    let ends = |c: char| !c.is_ascii_alphanumeric();
    let key = before.trim_end().strip_suffix('=')?.trim_end().rsplit(ends).next()?;
    let digits = &rest[..rest.find(ends).unwrap_or(rest.len())];
    (is_mode_key(key) && digits.starts_with('0')).then(|| in_toml(digits)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_digits_become_mode_of_toml() {
        for (digits, mode) in
            [("0400", Some("0o400")), ("400", Some("0o400")), ("01777", None), ("0800", None)]
        {
            assert_eq!(in_toml(digits).as_deref(), mode, "{digits}");
        }
    }

    #[test]
    fn mode_is_told_from_other_numbers_with_leading_zero() {
        let at = |text: &str| in_toml_at(text, text.find('0').unwrap());
        assert_eq!(at("a = { defaultMode = 0400 }").as_deref(), Some("0o400"));
        assert_eq!(at("mode=0755").as_deref(), Some("0o755"));
        assert_eq!(at("password = 0400"), None);
    }
}
