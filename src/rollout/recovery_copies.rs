//! The encrypted copies of generated secrets in the record: `recovery-7.age` follows
//! `recovery-6.age`.

use serde_json::{Map, Value};

/// The number of encrypted copies of generated secrets that are kept.
///
/// An interrupted run leaves an unused copy, so one would not be enough.
const RECOVERIES_KEPT: usize = 5;

/// Adds an encrypted copy to those in a ConfigMap's data, and drops the oldest beyond the limit.
pub fn with_recovery(data: Option<&Value>, encrypted: &str) -> Value {
    let number =
        |key: &str| key.strip_prefix("recovery-")?.strip_suffix(".age")?.parse::<u64>().ok();
    let kept = data.and_then(Value::as_object).into_iter().flatten();
    let mut copies: Vec<(u64, Value)> =
        kept.filter_map(|(key, copy)| Some((number(key)?, copy.clone()))).collect();
    copies.sort_by_key(|(number, _)| *number);
    let next = copies.last().map_or(1, |(last, _)| last.saturating_add(1));
    copies.push((next, encrypted.into()));
    let surplus = copies.len().saturating_sub(RECOVERIES_KEPT);
    copies
        .into_iter()
        .skip(surplus)
        .map(|(number, copy)| (format!("recovery-{number}.age"), copy))
        .collect()
}

/// Removes the copy of secrets that were never created, and restores the copies that it displaced;
/// returns nothing if no copy is left.
pub fn without_recovery(
    data: Option<&Value>,
    encrypted: &str,
    before: Option<&Value>,
) -> Option<Value> {
    let entries =
        |data: Option<&Value>| data.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut left: Map<String, Value> = entries(before);
    left.extend(entries(data).into_iter().filter(|(_, copy)| copy != encrypted));
    (!left.is_empty()).then_some(left.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn latest_secret_copies_are_kept() {
        let mut data = None;
        for number in 1..=12 {
            data = Some(with_recovery(data.as_ref(), &format!("copy {number}")));
        }
        let wanted = serde_json::json!({
            "recovery-8.age": "copy 8", "recovery-9.age": "copy 9", "recovery-10.age": "copy 10",
            "recovery-11.age": "copy 11", "recovery-12.age": "copy 12",
        });
        assert_eq!(data, Some(wanted));
    }

    #[test]
    fn unused_copy_is_removed_and_displaced_copy_restored() {
        let copies = |numbers: std::ops::RangeInclusive<u32>| -> Value {
            numbers
                .map(|number| (format!("recovery-{number}.age"), json!(format!("copy {number}"))))
                .collect()
        };
        let before = copies(3..=7);
        let with = with_recovery(Some(&before), "copy 8");
        assert_eq!(with, copies(4..=8));

        assert_eq!(without_recovery(Some(&with), "copy 8", Some(&before)), Some(before.clone()));
        // Another run has added a copy since.
        let later = with_recovery(Some(&with), "copy 9");
        let mut wanted = before.clone();
        wanted["recovery-9.age"] = "copy 9".into();
        assert_eq!(without_recovery(Some(&later), "copy 8", Some(&before)), Some(wanted));
        assert_eq!(without_recovery(Some(&with_recovery(None, "copy 1")), "copy 1", None), None);
    }
}
