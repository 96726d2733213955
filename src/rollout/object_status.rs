//! The status of a recorded object: whether it exists, is still the same one, and is ready.

use serde::Serialize;
use serde_json::Value;

use super::live_object;
use super::readiness::{self, Readiness};
use super::record::Item;

/// The status of a recorded object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", content = "why", rename_all = "camelCase")]
pub enum ObjectStatus {
    Ready,
    /// It is not ready yet.
    Waiting(String),
    /// Its controller has given up.
    Failed(String),
    /// Another object has its name: the recorded one was deleted and recreated.
    Replaced,
    Missing,
}

impl ObjectStatus {
    /// Returns the status of an object of an inventory.
    pub fn of(item: &Item, live: Option<&Value>) -> Self {
        let Some(object) = live else { return Self::Missing };
        if item.uid.as_ref().is_some_and(|uid| uid != live_object::uid(object)) {
            return Self::Replaced;
        }
        match readiness::of(object) {
            Readiness::Ready => Self::Ready,
            Readiness::Waiting(why) => Self::Waiting(why),
            Readiness::Failed(why) => Self::Failed(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::object_key::ObjectKey;

    #[test]
    fn object_is_healthy_only_if_recorded_one_and_ready() {
        let key = ObjectKey {
            api_version: "v1".into(),
            kind: "PersistentVolumeClaim".into(),
            namespace: "ns".into(),
            name: "data".into(),
        };
        let recorded = Item { key: key.clone(), uid: Some("1".into()) };
        let interrupted = Item { key, uid: None };
        let claim = |uid: &str, phase: &str| json!({"kind": "PersistentVolumeClaim", "metadata": {"uid": uid}, "status": {"phase": phase}});
        let waiting = ObjectStatus::Waiting("no volume is bound to it".into());
        let lost = ObjectStatus::Failed("its volume is lost".into());
        for (item, live, wanted) in [
            (&recorded, Some(claim("1", "Bound")), ObjectStatus::Ready),
            (&recorded, Some(claim("1", "Pending")), waiting),
            (&recorded, Some(claim("1", "Lost")), lost),
            (&recorded, Some(claim("2", "Bound")), ObjectStatus::Replaced),
            (&interrupted, Some(claim("2", "Bound")), ObjectStatus::Ready),
            (&recorded, None, ObjectStatus::Missing),
        ] {
            assert_eq!(ObjectStatus::of(item, live.as_ref()), wanted);
        }
        assert_eq!(
            serde_json::to_value(ObjectStatus::Waiting("x".into())).unwrap(),
            json!({"standing": "waiting", "why": "x"})
        );
    }
}
