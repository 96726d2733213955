//! Reads lists of Helm's records page by page, within limits, and the numbers of the records.

use serde_json::Value;

use super::helm_record_error::HelmRecordError;
use crate::failure::Failure;
use crate::helm::release::{REVISIONS_MAX, wipe};
use crate::model::text::ReleaseName;
use crate::rollout::live_object;

/// The page size of a list: each record may have a megabyte.
pub(super) const PAGE: usize = 10;

/// The maximum number of pages of a list. Pages may be empty.
const PAGES_MAX: usize = REVISIONS_MAX;

pub(super) fn items(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten()
}

/// Calls `go_on` for each item of a list, page by page, until it returns false. Limits the number
/// of items and of pages.
pub(super) fn each_item(
    release: &ReleaseName,
    page: impl Fn(&str) -> Result<Value, Failure>,
    mut go_on: impl FnMut(&mut Value) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let (mut next, mut seen) = (String::new(), 0);
    for _ in 0..PAGES_MAX {
        let mut list = page(&next)?;
        for item in items(&mut list) {
            seen += 1;
            if seen > REVISIONS_MAX {
                return Err(HelmRecordError::TooMany(release.clone()).into());
            }
            if !go_on(item)? {
                return Ok(());
            }
        }
        list.pointer("/metadata/continue")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .clone_into(&mut next);
        if next.is_empty() {
            return Ok(());
        }
    }
    Err(HelmRecordError::Endless(release.clone()).into())
}

/// Returns the names of the records that are not being deleted, newest last: until the newest is
/// deleted, Helm still finds the release.
pub(super) fn oldest_first(
    release: &ReleaseName,
    page: impl Fn(&str) -> Result<Value, Failure>,
) -> Result<Vec<String>, Failure> {
    let mut records = Vec::new();
    each_item(release, page, |record| {
        wipe(&mut record["data"]);
        // A finalizer may hold a deleted record. It was archived before, or another client deleted
        // it.
        if !live_object::is_ending(record) {
            records.push((required_number(record)?, name_of(record).to_owned()));
        }
        Ok(true)
    })?;
    records.sort();
    Ok(records.into_iter().map(|(_, name)| name).collect())
}

/// Returns a record's revision, from its label.
pub(super) fn number(record: &Value) -> Option<u64> {
    record.pointer("/metadata/labels/version")?.as_str()?.parse().ok()
}

/// Returns a record's revision, which names its archive.
pub(super) fn required_number(record: &Value) -> Result<u64, HelmRecordError> {
    let unnumbered = || HelmRecordError::Unnumbered { secret: name_of(record).to_owned() };
    number(record).ok_or_else(unnumbered)
}

pub(super) fn name_of(secret: &Value) -> &str {
    secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn release() -> ReleaseName {
        ReleaseName::try_from("r".to_owned()).unwrap()
    }

    fn record(number: usize) -> Value {
        json!({"metadata": {"name": format!("sh.helm.release.v1.r.v{number}"),
            "labels": {"version": number.to_string()}}, "data": {"release": "s3cret"}})
    }

    /// Serves records like the API server: sorted by name, ten per page.
    fn pages(mut records: Vec<Value>) -> impl Fn(&str) -> Result<Value, Failure> {
        records.sort_by_key(|record| record["metadata"]["name"].to_string());
        move |page| {
            let start = page.parse().unwrap_or(0);
            let end = records.len().min(start + PAGE);
            let next = if end < records.len() { end.to_string() } else { String::new() };
            Ok(json!({"metadata": {"continue": next}, "items": records[start..end]}))
        }
    }

    #[test]
    fn records_move_oldest_first_and_terminating_ones_are_skipped() {
        let mut records: Vec<Value> = (1..=23).map(record).collect();
        records[3]["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z".into();

        let names = oldest_first(&release(), pages(records)).unwrap();

        let wanted = (1..=23).filter(|number| *number != 4);
        assert_eq!(
            names,
            wanted.map(|number| format!("sh.helm.release.v1.r.v{number}")).collect::<Vec<_>>()
        );
    }

    #[test]
    fn record_without_revision_is_not_moved() {
        let mut unnumbered = record(2);
        unnumbered["metadata"]["labels"] = json!({});
        let refused = oldest_first(&release(), pages(vec![record(1), unnumbered])).unwrap_err();
        let refused = refused.source.downcast_ref();
        let Some(HelmRecordError::Unnumbered { secret }) = refused else { panic!("{refused:?}") };
        assert_eq!(secret, "sh.helm.release.v1.r.v2");
    }

    #[test]
    fn endless_list_is_refused() {
        let why = |names: Result<Vec<String>, Failure>| {
            *names.unwrap_err().source.downcast::<HelmRecordError>().unwrap()
        };
        let empty = |_: &str| Ok(json!({"metadata": {"continue": "more"}, "items": []}));
        let refused = why(oldest_first(&release(), empty));
        assert!(matches!(refused, HelmRecordError::Endless(_)), "{refused}");
        let full = |_: &str| Ok(json!({"metadata": {"continue": "more"}, "items": [record(1)]}));
        let refused = why(oldest_first(&release(), full));
        assert!(matches!(refused, HelmRecordError::Endless(_)), "{refused}");
        let all = |number| oldest_first(&release(), pages((1..=number).map(record).collect()));
        assert_eq!(all(REVISIONS_MAX).unwrap().len(), REVISIONS_MAX);
        let refused = why(all(REVISIONS_MAX + 1));
        assert!(matches!(refused, HelmRecordError::TooMany(_)), "{refused}");
    }
}
