//! Server-side apply, and the ownership that other writes change.

use serde_json::{Map, Value, json};

use super::difference::Difference;
use super::fields::Fields;
use super::managers::{Conflict, Manager, Managers};
use super::schema::{Place, Shape};

/// An apply of one manager.
pub(super) struct Apply<'a> {
    pub(super) manager: Manager,
    pub(super) config: &'a Value,
    pub(super) is_forced: bool,
}

impl Apply<'_> {
    /// Returns the object after the apply, or the conflicts.
    pub(super) fn to(self, live: &Value) -> Result<Value, Vec<Conflict>> {
        let Self { manager, config, is_forced } = self;
        let mut managers = Managers::of(live);
        let last = managers.take(&manager);
        let wanted = Fields::of(config);
        let mut new = merged(&Place::of(config), Some(live), config);
        prune(&Place::of(config), &mut new, &last, &managers.owned().union(&wanted));
        let Difference { changed, gone } = Difference::between(live, &new);
        let conflicts = managers.conflicts(&changed);
        if !conflicts.is_empty() && !is_forced {
            return Err(conflicts);
        }
        managers.lose(&changed.union(&gone));
        managers.add(manager, wanted);
        managers.write_to(&mut new);
        Ok(new)
    }
}

/// Gives the fields that a write other than an apply changes to its manager. The write may list the
/// managers itself.
pub(super) fn owned_by(manager: Manager, live: &Value, new: &mut Value) {
    let Difference { changed, gone } = Difference::between(live, new);
    let lists_managers =
        new.pointer("/metadata/managedFields").is_some_and(|all| *all != json!([]));
    let mut managers = Managers::of(if lists_managers { new } else { live });
    managers.lose(&changed.union(&gone));
    let own = managers.take(&manager).union(&changed);
    managers.add(manager, own);
    managers.write_to(new);
}

fn merged(place: &Place<'_>, live: Option<&Value>, config: &Value) -> Value {
    match (place.shape(), live, config) {
        (Shape::Open, live, Value::Object(config)) => {
            let mut all = live.and_then(Value::as_object).cloned().unwrap_or_default();
            for (name, value) in config.iter().filter(|(_, value)| !value.is_null()) {
                let value = merged(&place.to(name), all.get(name), value);
                all.insert(name.clone(), value);
            }
            all.into()
        }
        (Shape::Keyed(_) | Shape::Set, live, Value::Array(config)) => {
            let live = live.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            merged_list(place, live, config).into()
        }
        _ => config.clone(),
    }
}

/// Merges two lists: items of the live one alone keep their places among those that both have.
fn merged_list(place: &Place<'_>, live: &[Value], config: &[Value]) -> Vec<Value> {
    let find = |list: &'_ [Value], item: &Value| -> Option<usize> {
        list.iter().position(|other| place.element(other) == place.element(item))
    };
    let mut all = Vec::new();
    let mut rest = live;
    let keep_own = |rest: &mut &[Value], all: &mut Vec<Value>| {
        while let Some((first, after)) =
            rest.split_first().filter(|(first, _)| find(config, first).is_none())
        {
            all.push(first.clone());
            *rest = after;
        }
    };
    for item in config {
        keep_own(&mut rest, &mut all);
        let old = find(live, item).map(|at| &live[at]);
        all.push(merged(&place.item(), old, item));
        if rest.first().is_some_and(|first| find(config, first).is_some()) {
            rest = &rest[1..];
        }
    }
    all.extend(rest.iter().filter(|item| find(config, item).is_none()).cloned());
    all
}

/// Removes the fields that lost their last manager, with everything below them.
fn prune(place: &Place<'_>, value: &mut Value, last: &Fields, owned: &Fields) {
    for (element, before) in &last.below {
        let now = owned.below.get(element);
        match value {
            Value::Object(map) => prune_field(place, map, (element, before), now),
            Value::Array(items) => {
                let Some(at) = items.iter().position(|item| place.element(item) == *element) else {
                    continue;
                };
                match now {
                    Some(now) => prune(&place.item(), &mut items[at], before, now),
                    None => drop(items.remove(at)),
                }
            }
            _ => {}
        }
    }
}

fn prune_field(
    place: &Place<'_>,
    map: &mut Map<String, Value>,
    (element, before): (&str, &Fields),
    now: Option<&Fields>,
) {
    let name = &element[2..];
    match (now, map.get_mut(name)) {
        (Some(now), Some(value)) => {
            prune(&place.to(name), value, before, now);
            let is_empty = value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty);
            if is_empty && !now.is_member && !before.below.is_empty() {
                map.remove(name);
            }
        }
        (None, Some(_)) => drop(map.remove(name)),
        (_, None) => {}
    }
}
