//! The field managers of an object, as in `metadata.managedFields`.

use serde_json::{Value, json};

use super::fields::Fields;

/// Time stands still on the fake server.
pub(super) const NOW: &str = "2026-11-22T10:00:00Z";

/// A writer of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub(super) operation: Operation,
    pub(super) name: String,
    pub(super) subresource: Option<String>,
    pub(super) api_version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Manager {
    /// Spells the manager as messages about conflicts do.
    fn spelled(&self) -> String {
        let name = format!("\"{}\"", self.name);
        let subresource = self.subresource.iter().map(|of| format!(" with subresource \"{of}\""));
        let name = subresource.fold(name, |name, of| name + &of);
        match self.operation {
            Operation::Apply => name,
            Operation::Update => format!("{name} using {} at {NOW}", self.api_version),
        }
    }
}

/// The fields of each manager, in the order in which servers list them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Managers(Vec<(Manager, Fields)>);

/// A field that an apply would take from another manager.
pub(super) struct Conflict {
    pub(super) manager: String,
    pub(super) path: String,
}

impl Managers {
    pub(super) fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let text = |entry: &Value, key: &str| entry[key].as_str().map(str::to_owned);
        let read = |entry: &Value| {
            let operation = match entry["operation"].as_str() {
                Some("Apply") => Operation::Apply,
                _ => Operation::Update,
            };
            let manager = Manager {
                operation,
                name: text(entry, "manager").unwrap_or_default(),
                subresource: text(entry, "subresource"),
                api_version: text(entry, "apiVersion").unwrap_or_default(),
            };
            (manager, Fields::read(&entry["fieldsV1"]))
        };
        Self(entries.into_iter().flatten().map(read).collect())
    }

    pub(super) fn write_to(mut self, object: &mut Value) {
        self.0.retain(|(_, fields)| !fields.is_empty());
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        let entries = self.0.into_iter().map(|(manager, fields)| {
            let mut entry = json!({"manager": manager.name, "operation": format!("{:?}", manager.operation),
                "apiVersion": manager.api_version, "time": NOW, "fieldsType": "FieldsV1",
                "fieldsV1": fields.to_json()});
            if let Some(subresource) = manager.subresource {
                entry["subresource"] = subresource.into();
            }
            entry
        });
        object["metadata"]["managedFields"] = entries.collect();
    }

    /// Removes and returns the fields of a manager. Its subresources count separately.
    pub(super) fn take(&mut self, manager: &Manager) -> Fields {
        let is_it = |(other, _): &(Manager, Fields)| {
            (other.operation, &other.name, &other.subresource)
                == (manager.operation, &manager.name, &manager.subresource)
        };
        let at = self.0.iter().position(is_it);
        at.map(|at| self.0.remove(at).1).unwrap_or_default()
    }

    pub(super) fn add(&mut self, manager: Manager, fields: Fields) {
        self.0.push((manager, fields));
    }

    /// Returns the fields that anybody owns.
    pub(super) fn owned(&self) -> Fields {
        self.0.iter().fold(Fields::default(), |all, (_, fields)| all.union(fields))
    }

    /// Takes fields from all managers.
    pub(super) fn lose(&mut self, lost: &Fields) {
        self.0.iter_mut().for_each(|(_, fields)| *fields = fields.difference(lost));
    }

    /// Returns the managers that own some of the changed fields, by name.
    pub(super) fn conflicts(&self, changed: &Fields) -> Vec<Conflict> {
        let of = |(manager, fields): &(Manager, Fields)| {
            let paths = fields.intersection(changed).paths();
            let manager = manager.spelled();
            paths.into_iter().map(move |path| Conflict { manager: manager.clone(), path })
        };
        let mut conflicts: Vec<Conflict> = self.0.iter().flat_map(of).collect();
        conflicts.sort_by(|one, other| one.manager.cmp(&other.manager));
        conflicts
    }
}
