//! The differences between two versions of an object, as sets of fields.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::schema::{Place, Shape};

/// The differences between two versions.
#[derive(Default)]
pub(super) struct Difference {
    /// Fields that are new, or have another value.
    pub(super) changed: Fields,
    pub(super) gone: Fields,
}

/// The old and the new value of a field.
type Pair<'a> = (Option<&'a Value>, Option<&'a Value>);

impl Difference {
    pub(super) fn between(old: &Value, new: &Value) -> Self {
        let found = Self::at((Some(old), Some(new)), &Place::of(new));
        Self { changed: found.changed.ownable(), gone: found.gone.ownable() }
    }

    fn at(pair: Pair<'_>, place: &Place<'_>) -> Self {
        let (old, new) = pair;
        let mut found = Self::default();
        if old == new {
            return found;
        }
        let is_one = |is_it: fn(&Value) -> bool| [old, new].into_iter().flatten().all(is_it);
        match place.shape() {
            Shape::Open if is_one(Value::is_object) => found.add_fields(pair, place),
            Shape::Keyed(_) | Shape::Set if is_one(Value::is_array) => found.add_items(pair, place),
            _ => {
                found.changed.is_member = new.is_some();
                found.gone.is_member = new.is_none();
                return found;
            }
        }
        found.changed.is_member = old.is_none() && !place.is_always_there();
        found.gone.is_member = new.is_none();
        found
    }

    fn add_fields(&mut self, (old, new): Pair<'_>, place: &Place<'_>) {
        let maps = [old, new].into_iter().flatten().filter_map(Value::as_object);
        let names: BTreeSet<&String> = maps.flat_map(Map::keys).collect();
        for name in names {
            let [old, new] = [old, new].map(|object| object?.get(name));
            self.add(format!("f:{name}"), Self::at((old, new), &place.to(name)));
        }
    }

    fn add_items(&mut self, (old, new): Pair<'_>, place: &Place<'_>) {
        let lists = [old, new].into_iter().flatten().filter_map(Value::as_array);
        let elements: BTreeSet<String> = lists.flatten().map(|item| place.element(item)).collect();
        for element in elements {
            let [old, new] = [old, new].map(|list| {
                let mut items = list?.as_array()?.iter();
                items.find(|item| place.element(item) == element)
            });
            let mut below = Self::at((old, new), &place.item());
            below.changed.is_member = old.is_none();
            below.gone.is_member = new.is_none();
            self.add(element, below);
        }
    }

    fn add(&mut self, element: String, below: Self) {
        self.changed.below.insert(element.clone(), below.changed);
        self.gone.below.insert(element, below.gone);
    }
}
