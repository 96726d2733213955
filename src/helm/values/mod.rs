//! Converts Helm values to a profile of the same deployment, without the chart's defects, and with
//! a note for each change.
//!
//! `yaml` reads the values, `rules` knows the chart, `fit` converts the rest to the schema's types,
//! and `write` makes TOML of the result. The schema is the only list of keys here.

mod fit;
mod import;
mod imported;
mod ingress;
mod notes;
mod octal;
mod output;
mod relay;
mod rules;
mod secrets;
mod value;
mod wrapper;
mod write;
mod yaml;

pub use import::ImportOptions;
pub use notes::Note;
pub use yaml::{ImportError, VALUES_BYTES_MAX};

use crate::model::words::count;
use import::{ChartNames, Import};
use notes::{Notes, VALUES};
use wrapper::Unwrapped;
use yaml::Values;

/// A profile, and a note for each key that differs in it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The text of the profile.
    pub toml: String,
    /// In the order of the values; notes about added keys come last.
    pub notes: Vec<Note>,
}

/// Converts Helm values, or the output of `helm get values`, to a profile.
pub fn import(values: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let Unwrapped { values, place, others } = wrapper::unwrap(yaml::parse(values)?)?;
    let Values { map: values, octals } = values;
    let mut notes = Notes::new(&values, options.visibility);
    if let Some(place) = place {
        notes.add_first(
            VALUES,
            &format!("read below `{place}`"),
            &match others {
                0 => "they are wrapped there".to_owned(),
                others => format!("{} beside it left out: of other charts", count(others, "key")),
            },
        );
    }

    octal::note_all(&values, &octals, &mut notes);
    if values.0.is_empty() {
        notes.add_first(
            VALUES,
            "no value is set",
            "the profile has the chart's defaults, with the secrets of the chart's Secret: are \
             release and namespace correct?",
        );
    }

    let mut import = Import { chart: ChartNames::of(&values, options), values, notes, options };
    rules::apply(&mut import);
    let Import { values, mut notes, .. } = import;
    let values = fit::fit(values, &mut notes);
    let toml = write::write(&values, options);
    Ok(Imported { toml, notes: notes.sorted() })
}
