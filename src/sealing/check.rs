//! Checks the sealed secrets of a bundle.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::age_file::{Form, FormError, InvalidPlace, SealedPlace, Stated};
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::bundle::sealed::AgeKeys;
use crate::model::text::AgeRecipient;
use crate::sealed::{FrameError, Identities, OpenError, open};

/// The result for one sealed secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedFinding {
    /// The place where the bundle uses it, `namespace/name/key`; none for an unused file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The number of recipients, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients: Option<usize>,
    /// Its recipients, if the file states them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed_for: Option<Vec<AgeRecipient>>,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Why a sealed secret is not ok.
#[derive(Debug, thiserror::Error)]
enum SealedProblem {
    #[error("nothing is sealed for it: the profile sets no value")]
    NoFile,
    #[error("nothing in the bundle uses the file")]
    Unused,
    #[error(
        "it does not state its place: it was sealed with plain age or an earlier version; open it \
         with --identity, or seal it again"
    )]
    PlaceUnknown,
    #[error("it is not sealed for {0}, which release.sealRecipients names: seal it again")]
    NotFor(String),
    #[error(transparent)]
    Place(#[from] InvalidPlace),
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The criteria for sealed files.
struct Criteria<'a> {
    /// The keys that must be able to open every file. Bundles of earlier versions name none.
    wanted: Vec<AgeRecipient>,
    identities: Option<&'a Identities>,
}

/// Checks every sealed secret that the bundle needs, and every unused file. Opens them only with
/// `identities`.
pub fn check(bundle: &Bundle, identities: Option<&Identities>) -> Vec<SealedFinding> {
    let keys = AgeKeys::of(&bundle.recipe);
    // An unverified recipe may hold any text, so invalid keys are skipped.
    let wanted = keys.seal.iter().filter_map(|key| key.parse().ok()).collect();
    let criteria = Criteria { wanted, identities };

    let sealed = bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Sealed);
    let wanted = sealed.flat_map(|wanted| wanted.keys.iter().map(move |key| (wanted, key)));
    let mut used = BTreeSet::new();
    let mut findings = Vec::new();
    for (wanted, key) in wanted {
        used.extend(key.file.as_deref());
        let place = SealedPlace::new(&wanted.namespace, &wanted.name, &key.key);
        let file = key.file.as_deref().and_then(|file| bundle.files.get(file));
        let judgement = match (place, file) {
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(SealedProblem::NoFile),
            (Ok(place), Some(file)) => criteria.check(file.bytes(), &place),
        };
        let place = format!("{}/{}/{}", wanted.namespace, wanted.name, key.key);
        findings.push(SealedFinding::new(Some(place), key.file.clone(), judgement));
    }

    let files = bundle
        .files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| path.starts_with("secrets/"));
    let unused = files.filter(|path| !used.contains(path));
    findings.extend(
        unused.map(|path| {
            SealedFinding::new(None, Some(path.to_owned()), Err(SealedProblem::Unused))
        }),
    );
    findings
}

impl Criteria<'_> {
    /// Checks a file against the place where the bundle uses it.
    fn check(&self, bytes: &[u8], place: &SealedPlace) -> Result<Form, SealedProblem> {
        let form = Form::of(bytes)?;
        if let Stated::Other(other) = form.stated(place) {
            return Err(OpenError::from(FrameError::Misplaced(other.clone())).into());
        }
        if let Some(address) = form.address() {
            let lacking: Vec<&str> =
                address.lacking(&self.wanted).into_iter().map(AgeRecipient::as_str).collect();
            if !lacking.is_empty() {
                return Err(SealedProblem::NotFor(lacking.join(", ")));
            }
        }
        match self.identities {
            // The value is dropped, and thereby overwritten, at once.
            Some(identities) => drop(open(bytes, identities, place)?),
            None if form.address().is_none() => return Err(SealedProblem::PlaceUnknown),
            None => {}
        }
        Ok(form)
    }
}

impl SealedFinding {
    fn new(
        place: Option<String>,
        file: Option<String>,
        judgement: Result<Form, SealedProblem>,
    ) -> Self {
        let form = judgement.as_ref().ok();
        let recipients = form.map(Form::recipients);
        let address = form.and_then(Form::address);
        let sealed_for = address.map(|address| address.recipients.iter().cloned().collect());
        let (ok, problem) = (judgement.is_ok(), judgement.err().map(|problem| problem.to_string()));
        Self { place, file, recipients, sealed_for, ok, problem }
    }
}
