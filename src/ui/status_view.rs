//! Shows an installation and its health.

use std::io::{self, Write};

use serde::Serialize;

use super::escape::safe;
use super::history_view::GenerationReport;
use super::live_view::drift_line;
use super::printer::Report;
use super::running_view;
use crate::diff::drift::Drift;
use crate::diff::running::RunningImage;
use crate::diff::warning::Warning;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::model::words::count;
use crate::rollout::image_state::{ImageFinding, ImageState};
use crate::rollout::lock::RecordLock;
use crate::rollout::object_status::ObjectStatus;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    pub name: String,
    pub namespace: String,
    pub context: String,
    /// Whether all is deployed and ready, with the right images, and no run or adoption is pending.
    pub ok: bool,
    /// Whether the deployed bundle was verified.
    pub verified: bool,
    /// The deployed generation and all later ones, pending or abandoned; newest first.
    pub generations: Vec<GenerationReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<RecordLock>,
    /// The Helm release whose adoption is unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopting: Option<ReleaseName>,
    /// The generation that `objects` and `secrets` belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_of: Option<u64>,
    pub objects: Vec<ObjectReport>,
    /// The Secrets that apply created, of the same generation.
    pub secrets: Vec<SecretReport>,
    /// Problems of pods.
    pub troubles: Vec<String>,
    #[serde(flatten)]
    pub images: ImageReport,
}

/// The images of the deployed bundle, which was verified.
#[derive(Debug, Default, Serialize)]
pub struct ImageReport {
    /// The images that the pods run; absent if the bundle was not verified or pins no images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Vec<RunningImage>>,
    /// Whether the registries have the images; absent without `--images`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<ImageState>>,
}

#[derive(Debug, Serialize)]
pub struct ObjectReport {
    #[serde(flatten)]
    pub key: ObjectKey,
    #[serde(flatten)]
    pub standing: ObjectStatus,
    /// Changes by other field managers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Drift>,
    /// Additions by other field managers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<Warning>,
}

impl ObjectReport {
    pub fn is_well(&self) -> bool {
        // A PVC that was expanded by hand keeps its size.
        let is_same = self.changed.is_empty() || self.key.is(Kind::PersistentVolumeClaim);
        self.standing == ObjectStatus::Ready && is_same
    }
}

/// The status of a Secret, which no inventory lists.
#[derive(Debug, Serialize)]
pub struct SecretReport {
    pub name: String,
    pub standing: SecretStanding,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretStanding {
    Ready,
    Missing,
    /// It differs from the Secret that the latest deployed generation recorded.
    Replaced,
    /// Our permissions do not let us read it.
    Unseen,
}

impl ImageReport {
    pub fn is_well(&self) -> bool {
        let is_gone = |image: &ImageState| image.state == ImageFinding::Absent;
        self.running.iter().flatten().all(RunningImage::is_well)
            && !self.images.iter().flatten().any(is_gone)
    }
}

impl SecretReport {
    pub fn is_well(&self) -> bool {
        matches!(self.standing, SecretStanding::Ready | SecretStanding::Unseen)
    }

    fn line(&self) -> Option<String> {
        let Self { name, standing, why } = self;
        let why = why.as_deref().unwrap_or_default();
        match standing {
            SecretStanding::Ready => None,
            SecretStanding::Missing => Some(format!("! Secret/{name}: missing: {why}")),
            SecretStanding::Replaced => Some(format!("! {why}")),
            SecretStanding::Unseen => {
                Some(format!("  Secret/{name}: not checked: missing permission"))
            }
        }
    }
}

impl StatusReport {
    /// Writes the generations and their surroundings: the lock, and an unfinished adoption.
    fn write_record(&self, out: &mut dyn Write) -> io::Result<()> {
        self.generations.iter().try_for_each(|generation| generation.write_paragraph(out))?;
        if let Some(lock) = &self.lock {
            let who = lock.to_string();
            let who = safe(&who);
            writeln!(out, "{:<12}held by {who}: a run is in progress, or was killed", "lock")?;
        }
        if let Some(release) = &self.adopting {
            let text = format!("the Helm release {release}: in progress, or interrupted");
            writeln!(out, "{:<12}{text}", "adopting")?;
        }
        let verified = if self.verified { "the deployed bundle" } else { "nothing" };
        writeln!(out, "{:<12}{verified}", "verified")
    }

    /// Writes the number of ready objects, and the problems of the others and of Secrets.
    fn write_objects(&self, out: &mut dyn Write) -> io::Result<()> {
        let ready =
            self.objects.iter().filter(|object| object.standing == ObjectStatus::Ready).count();
        let of = self.objects_of.map(|of| format!(" of generation {of}")).unwrap_or_default();
        let all = count(self.objects.len(), "object");
        writeln!(out, "{:<12}{ready} of {all}{of} are ready", "objects")?;
        for ObjectReport { key, standing, .. } in &self.objects {
            let why = match standing {
                ObjectStatus::Ready => continue,
                ObjectStatus::Waiting(why) => format!("not ready: {why}"),
                ObjectStatus::Failed(why) => format!("failed: {why}"),
                ObjectStatus::Replaced => "it was deleted and recreated by another client".into(),
                ObjectStatus::Missing => "missing".into(),
            };
            writeln!(out, "  ! {}: {}", safe(&key.to_string()), safe(&why))?;
        }
        let secrets = self.secrets.iter().filter_map(SecretReport::line);
        secrets.into_iter().try_for_each(|line| writeln!(out, "  {}", safe(&line)))
    }

    /// Writes the changes and additions of other field managers.
    fn write_drift(&self, out: &mut dyn Write) -> io::Result<()> {
        for object in &self.objects {
            let mark = if object.is_well() { '~' } else { '!' };
            for drift in &object.changed {
                writeln!(out, "  {mark} {}: {}", safe(&object.key.to_string()), drift_line(drift))?;
            }
            let mut additions = object.additions.iter();
            additions.try_for_each(|added| writeln!(out, "  ~ {}", safe(&added.to_string())))?;
        }
        Ok(())
    }
}

impl Report for StatusReport {
    const SCHEMA: &'static str = "status/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place =
            format!("{} in namespace {} of context {}", self.name, self.namespace, self.context);
        writeln!(out, "{}", safe(&place))?;
        self.write_record(out)?;
        self.write_objects(out)?;
        self.write_drift(out)?;
        self.troubles.iter().try_for_each(|trouble| writeln!(out, "  ! {}", safe(trouble)))?;
        let ImageReport { running, images } = &self.images;
        running.as_ref().map_or(Ok(()), |running| running_view::write(running, out))?;
        for image in images.iter().flatten() {
            let mark = if image.state == ImageFinding::Absent { "! " } else { "" };
            writeln!(out, "{:<12}{mark}{}", "image", safe(&image.to_string()))?;
        }
        Ok(())
    }
}
