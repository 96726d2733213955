//! Deletes objects that controllers may update concurrently.

use serde_json::Value;

use crate::cluster::error::CallError;
use crate::cluster::{Session, Write};
use crate::model::object_key::ObjectKey;
use crate::rollout::live_object;

/// Deletes an object if it still has the uid that was read. A missing object is not an error.
pub fn delete(session: &Session, key: &ObjectKey, object: &Value) -> Result<(), CallError> {
    delete_with(session, key, object, Write::delete)
}

/// Deletes an object as [`delete`] does, with the propagation policy of `write`.
pub fn delete_with(
    session: &Session,
    key: &ObjectKey,
    object: &Value,
    write: fn(&ObjectKey, &str, &str) -> Write,
) -> Result<(), CallError> {
    let uid = live_object::uid(object);
    let mut version = live_object::resource_version(object).to_owned();
    loop {
        let Err(error) = session.write(&write(key, uid, &version)) else { return Ok(()) };
        match error.code() {
            404 => return Ok(()),
            409 => {}
            _ => return Err(error),
        }
        // A controller may have written the status since: the resource version changed, but the
        // object is the same.
        match session.find(key)? {
            Some(now)
                if live_object::uid(&now) == uid
                    && live_object::resource_version(&now) != version =>
            {
                live_object::resource_version(&now).clone_into(&mut version);
            }
            Some(now) if live_object::uid(&now) == uid => return Err(error),
            _ => return Ok(()),
        }
    }
}
