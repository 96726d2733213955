//! Opens the sealed values of a bundle before any request to the cluster.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Opened;
use crate::age_file::{Form, Place};
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::model::secret_value::SecretValue;
use crate::model::text::AgeRecipient;
use crate::sealed::{FrameError, Identities, OpenError, open as open_file};

/// Opens every sealed value. Fails with a list of those that cannot be opened.
pub fn open(bundle: &Bundle, identities: &Identities) -> Result<Opened, Failure> {
    let sealed = bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Sealed);
    let keys = sealed.flat_map(|wanted| wanted.keys.iter().map(move |key| (wanted, key)));
    let (mut values, mut closed, mut wrong) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (wanted, key) in keys {
        let Some(path) = &key.file else { continue };
        let file = bundle.files.get(path).expect("the gate has looked for it");
        let place =
            Place::new(&wanted.namespace, &wanted.name, &key.key).map_err(Failure::input)?;
        match open_file(file.bytes(), identities, &place) {
            Ok(value) => {
                let bytes = Zeroizing::new(value.expose().to_vec());
                values.insert((wanted.name.clone(), key.key.clone()), SecretValue::new(bytes));
            }
            Err(OpenError::NoKeyFits) => {
                let recipients = recipients(file.bytes());
                closed.push(format!("{path}, for {place}: {}{recipients}", OpenError::NoKeyFits));
            }
            Err(error @ OpenError::Frame(FrameError::Misplaced(_))) => {
                wrong.push(format!("{path}: {error}"));
            }
            Err(error) => wrong.push(format!("{path}, for {place}: {error}")),
        }
    }
    if let Some((first, more)) = wrong.split_first() {
        let failure = untrusted("CONTENT_MISMATCH", first.as_str());
        return Err(more
            .iter()
            .fold(failure, |failure, why| failure.hint(why.as_str()))
            .hint("do not use the bundle: its sealed secrets do not match it; tell its signers"));
    }
    if closed.is_empty() {
        return Ok(Opened::new(values));
    }
    let failure = Failure::input(
        "the private keys of --identity do not open all sealed secrets of the bundle",
    );
    let failure = closed.into_iter().fold(failure, Failure::reason);
    Err(failure.hint("pass the file with a recipient's private key; the cluster was not contacted"))
}

/// Names the recipients, if the file lists them: the operator learns which key opens it.
fn recipients(file: &[u8]) -> String {
    let Ok(form) = Form::of(file) else { return String::new() };
    let Some(address) = form.address() else { return String::new() };
    let keys: Vec<&str> = address.recipients.iter().map(AgeRecipient::as_str).collect();
    format!("; its recipients are {}", keys.join(", "))
}
