//! The report of `status`.

use std::io::{self, Write};

use serde::Serialize;

use crate::cmd::ctx::count;
use crate::cmd::image_presence::{ImageFinding, ImageState};
use crate::diff::drift::Drift;
use crate::diff::running::RunningImage;
use crate::diff::warning::Warning;
use crate::install::generations::EntryReport;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::lock::Lock;
use crate::rollout::standing::Standing;
use crate::ui::escape::safe;
use crate::ui::live_view::drift_line;
use crate::ui::printer::Report;
use crate::ui::running_view;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusReport {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) context: String,
    /// Whether all is deployed and ready, with the right images, and no run or adoption is pending.
    pub(super) ok: bool,
    /// Whether the deployed bundle was verified.
    pub(super) verified: bool,
    /// The deployed generation and all later ones, pending or abandoned; newest first.
    pub(super) generations: Vec<EntryReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<Lock>,
    /// The Helm release whose adoption is unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) adopting: Option<ReleaseName>,
    /// The generation that `objects` and `secrets` belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) objects_of: Option<u64>,
    pub(super) objects: Vec<ObjectReport>,
    /// The Secrets that apply created, of the same generation.
    pub(super) secrets: Vec<SecretReport>,
    /// Problems of pods.
    pub(super) troubles: Vec<String>,
    #[serde(flatten)]
    pub(super) images: ImageReport,
}

/// The images of the deployed bundle, which was verified.
#[derive(Default, Serialize)]
pub(super) struct ImageReport {
    /// The images that the pods run; absent if the bundle was not verified or pins no images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) running: Option<Vec<RunningImage>>,
    /// Whether the registries have the images; absent without `--images`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) images: Option<Vec<ImageState>>,
}

#[derive(Serialize)]
pub(super) struct ObjectReport {
    #[serde(flatten)]
    pub(super) key: ObjectKey,
    #[serde(flatten)]
    pub(super) standing: Standing,
    /// Changes by other field managers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) changed: Vec<Drift>,
    /// Additions by other field managers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) additions: Vec<Warning>,
}

impl ObjectReport {
    pub(super) fn is_well(&self) -> bool {
        // A PVC that was expanded by hand keeps its size.
        let is_same = self.changed.is_empty() || self.key.is(Kind::PersistentVolumeClaim);
        self.standing == Standing::Ready && is_same
    }
}

/// The status of a Secret, which no inventory lists.
#[derive(Serialize)]
pub(super) struct SecretReport {
    pub(super) name: String,
    pub(super) standing: SecretStanding,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SecretStanding {
    Ready,
    Missing,
    /// It differs from the Secret that the latest deployed generation recorded.
    Replaced,
    /// Our permissions do not let us read it.
    Unseen,
}

impl ImageReport {
    pub(super) fn is_well(&self) -> bool {
        let is_gone = |image: &ImageState| image.state == ImageFinding::Absent;
        self.running.iter().flatten().all(RunningImage::is_well)
            && !self.images.iter().flatten().any(is_gone)
    }
}

impl SecretReport {
    pub(super) fn is_well(&self) -> bool {
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
    fn write_generations(&self, out: &mut dyn Write) -> io::Result<()> {
        for entry in &self.generations {
            let EntryReport {
                generation,
                state,
                content_id,
                profile,
                serial,
                recorded,
                content_of,
            } = entry;
            let state = state.to_string();
            let profile = safe(profile);
            let of = content_of.map(|of| format!("  back to {of}")).unwrap_or_default();
            writeln!(
                out,
                "{state:<12}generation {generation}: {profile}, serial {serial}, {recorded}"
            )?;
            writeln!(out, "{:<12}{content_id}{of}", "")?;
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
        self.write_generations(out)?;
        if let Some(lock) = &self.lock {
            let who = lock.to_string();
            writeln!(
                out,
                "{:<12}held by {}: a run is in progress, or was killed",
                "lock",
                safe(&who)
            )?;
        }
        if let Some(release) = &self.adopting {
            writeln!(
                out,
                "{:<12}the Helm release {release}: in progress, or interrupted",
                "adopting"
            )?;
        }
        let verified = if self.verified { "the deployed bundle" } else { "nothing" };
        writeln!(out, "{:<12}{verified}", "verified")?;
        let ready = self.objects.iter().filter(|object| object.standing == Standing::Ready).count();
        let of = self.objects_of.map(|of| format!(" of generation {of}")).unwrap_or_default();
        let all = count(self.objects.len(), "object");
        writeln!(out, "{:<12}{ready} of {all}{of} are ready", "objects")?;
        for ObjectReport { key, standing, .. } in &self.objects {
            let why = match standing {
                Standing::Ready => continue,
                Standing::Waiting(why) => format!("not ready: {why}"),
                Standing::Failed(why) => format!("failed: {why}"),
                Standing::Replaced => "it was deleted and recreated by another client".into(),
                Standing::Missing => "missing".into(),
            };
            writeln!(out, "  ! {}: {}", safe(&key.to_string()), safe(&why))?;
        }
        for line in self.secrets.iter().filter_map(SecretReport::line) {
            writeln!(out, "  {}", safe(&line))?;
        }
        for object in &self.objects {
            let mark = if object.is_well() { '~' } else { '!' };
            for drift in &object.changed {
                writeln!(out, "  {mark} {}: {}", safe(&object.key.to_string()), drift_line(drift))?;
            }
            object
                .additions
                .iter()
                .try_for_each(|added| writeln!(out, "  ~ {}", safe(&added.to_string())))?;
        }
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
