//! The effect of relabeling on the target of a scrape.

/// Returns whether a relabeling step may redirect Prometheus to another target; true if in doubt.
///
/// The target is in `__address__`, `__scheme__`, `__metrics_path__` and `__param_…`: labels like
/// others, but with two leading underscores.
pub fn redirects(action: Option<&str>, target_label: Option<&str>) -> bool {
    // `labelmap` derives label names from those of other labels.
    let names_are_made = action.is_some_and(|action| action.eq_ignore_ascii_case("labelmap"));
    let target = target_label.unwrap_or_default();
    // Prometheus reserves `__tmp` for relabeling.
    let is_reserved = target.starts_with("__") && !target.starts_with("__tmp");
    names_are_made || is_reserved || target.contains('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_labels_are_known_to_leave_target_unchanged() {
        for (action, target, wanted) in [
            (None, Some("node"), false),
            (Some("replace"), Some("__tmp_node"), false),
            (Some("drop"), None, false),
            (None, Some("__address__"), true),
            (Some("lowercase"), Some("__param_target"), true),
            (None, Some("$1"), true),
            (None, Some("_${1}_"), true),
            (Some("labelmap"), None, true),
            (Some("LabelMap"), None, true),
        ] {
            assert_eq!(redirects(action, target), wanted, "{action:?} {target:?}");
        }
    }
}
