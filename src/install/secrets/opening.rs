//! Opens the sealed values of a bundle before any request to the cluster.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::error::{MismatchedFile, SecretsError, UnopenedFile};
use crate::age_file::{Form, SealedPlace};
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::model::secret_value::SecretValue;
use crate::sealed::{Identities, OpenError, open as open_file};

/// The sealed values of a bundle, by Secret and key.
pub struct Opened(BTreeMap<(String, String), SecretValue>);

impl Opened {
    /// Takes opened values.
    pub fn new(values: BTreeMap<(String, String), SecretValue>) -> Self {
        Self(values)
    }

    /// Returns a value.
    pub fn value(&self, secret: &str, key: &str) -> Option<&SecretValue> {
        self.0.get(&(secret.to_owned(), key.to_owned()))
    }
}

/// Opens every sealed value. Fails with a list of those that cannot be opened.
pub fn open(bundle: &Bundle, identities: &Identities) -> Result<Opened, Failure> {
    let sealed = bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Sealed);
    let keys = sealed.flat_map(|wanted| wanted.keys.iter().map(move |key| (wanted, key)));
    let (mut values, mut closed, mut wrong) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (wanted, key) in keys {
        let Some(path) = &key.file else { continue };
        let file = bundle.files.get(path).expect("the gate has looked for it");
        let place =
            SealedPlace::new(&wanted.namespace, &wanted.name, &key.key).map_err(Failure::input)?;
        match open_file(file.bytes(), identities, &place) {
            Ok(value) => {
                let bytes = Zeroizing::new(value.expose().to_vec());
                values.insert((wanted.name.clone(), key.key.clone()), SecretValue::new(bytes));
            }
            Err(OpenError::NoKeyFits) => {
                let (path, recipients) = (path.clone(), recipients(file.bytes()));
                closed.push(UnopenedFile { path, place, recipients });
            }
            Err(why) => wrong.push(MismatchedFile { path: path.clone(), place, why }),
        }
    }

    let mut wrong = wrong.into_iter();
    if let Some(first) = wrong.next() {
        return Err(
            SecretsError::Mismatched { first: first.into(), others: wrong.collect() }.into()
        );
    }
    if closed.is_empty() {
        return Ok(Opened::new(values));
    }
    Err(SecretsError::Unopened(closed).into())
}

/// Returns the recipients, if the file lists them: the operator learns which key opens it.
fn recipients(file: &[u8]) -> Vec<String> {
    let Ok(form) = Form::of(file) else { return Vec::new() };
    let address = form.address().into_iter();
    address.flat_map(|address| &address.recipients).map(ToString::to_string).collect()
}
