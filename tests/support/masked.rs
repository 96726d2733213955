//! A profile's text as messages may show it.

use relay_bundle::profile::diagnostic::Diagnostics;
use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::sources::{SettingsSource, SourceKind};

/// Returns `text` with stars in place of every secret and every line that may not be shown.
pub(crate) fn mask(text: &str) -> String {
    let (text, mut problems) = (text.to_owned(), Diagnostics::default());
    SettingsSource::parse(0, SourceKind::File, "a.toml", text, Visibility::Lines, &mut problems)
        .masked()
}
