//! Generations as the record has them: read, and compared with what the head says of them.

use serde_json::Value;

use super::failure::Failure;
use crate::archive;
use crate::bundle::open::Bundle;
use crate::bundle::read::hash_only;
use crate::model::digest::Digest;
use crate::model::text::ReleaseName;
use crate::rollout::record::{
    BUNDLE_KEY, Entry, GENERATION_KEY, Generation, InvalidRecord, Item, Progress, unpack,
};

/// A generation as the record has it. It agrees with the head; nobody has verified its bundle.
pub(super) struct Recorded {
    pub(super) entry: Entry,
    /// Everything that it has in the cluster.
    pub(super) inventory: Vec<Item>,
    archive: Vec<u8>,
}

impl Recorded {
    /// Reads the ConfigMap of a generation.
    ///
    /// # Errors
    ///
    /// When it is not the generation that the head names, or its bundle is not whole.
    pub(super) fn read(entry: &Entry, stored: &Value) -> Result<Self, InvalidRecord> {
        let generation = Generation::parse(text(stored, "data", GENERATION_KEY))?;
        if (generation.generation, generation.content_id) != (entry.generation, entry.content_id) {
            return Err(InvalidRecord::Changed("it is another generation than the head names"));
        }
        let archive = unpack(text(stored, "binaryData", BUNDLE_KEY))?;
        match content_id(&archive) {
            Some(found) if found == entry.content_id => {
                Ok(Self { entry: entry.clone(), inventory: generation.inventory, archive })
            }
            Some(_) => Err(InvalidRecord::Changed("its bundle is another one than the head names")),
            None => Err(InvalidRecord::Changed("its bundle is not whole")),
        }
    }

    /// Returns the archive of the bundle, with its attestation: whoever goes back to it verifies it again.
    pub(super) fn archive(&self) -> &[u8] {
        &self.archive
    }

    /// Returns the bundle, which nobody has verified.
    pub(super) fn bundle(&self) -> Result<Bundle, Failure> {
        let files = archive::open(self.archive.as_slice())?.read_sums()?.into_files()?;
        Bundle::open(files.read(&mut hash_only)?).map_err(|error| Failure::world(error.to_string()))
    }
}

/// Tells whether a generation may lack its ConfigMap: its run ended before that was written, and did nothing.
pub(super) fn may_be_missing(entry: &Entry) -> bool {
    matches!(entry.state, Progress::Pending | Progress::Abandoned)
}

/// Returns what the files of an archive hash to; none if they are not those that it lists.
fn content_id(archive: &[u8]) -> Option<Digest> {
    let sums = archive::open(archive).ok()?.read_sums().ok()?;
    let content_id = sums.content_id();
    sums.into_files().ok()?.check().ok()?;
    Some(content_id)
}

/// Says that a record is not as this program wrote it, and what can be done.
pub(super) fn damaged(
    bundle: &ReleaseName,
    namespace: &str,
    name: &str,
    why: &dyn std::fmt::Display,
) -> Failure {
    let labels = format!(
        "app.kubernetes.io/instance={bundle},app.kubernetes.io/component in (record, record-generation)"
    );
    Failure::world(format!(
        "the record of the installation, ConfigMap {name} in namespace {namespace}, is damaged: {why}"
    ))
    .hint("nothing was changed; restore that ConfigMap from a backup of the cluster")
    .hint(format!(
        "or give the record up, with its history and its floor against replay, and apply the bundle that runs once \
         more: kubectl -n {namespace} delete configmap -l '{labels}'"
    ))
}

/// Returns an entry of a ConfigMap; nothing if it has none.
pub(super) fn text<'a>(stored: &'a Value, field: &str, key: &str) -> &'a str {
    stored.get(field).and_then(|data| data.get(key)).and_then(Value::as_str).unwrap_or_default()
}
