//! Missing values: the empty output of a failed pipeline must not count as a release without
//! values.

use super::{release, text, what};
use relay_bundle::helm::values::{ImportOptions, import};

#[test]
fn empty_text_is_refused() {
    for values in [
        "",
        " \n\t\n",
        "# nothing\n",
        "USER-SUPPLIED VALUES:\n",
        "---\n",
        "NAME: prod\nUSER-SUPPLIED VALUES:\n",
    ] {
        let error = import(values.as_bytes(), &ImportOptions::default())
            .map(|found| found.toml)
            .unwrap_err();
        assert_eq!(error.to_string(), "the values are empty", "{values:?}");
    }
}

#[test]
fn release_without_values_is_imported_with_note_first() {
    for values in ["null\n", "USER-SUPPLIED VALUES:\nnull\n", "{}\n"] {
        let (profile, imported) = super::sane(values, &release("prod"));
        assert_eq!(
            text(&profile, "config.encryptionKey.existing.name"),
            "prod-claude-relay-secret"
        );
        let first = &imported.notes[0];
        assert_eq!(first.what, "no value is set", "{values:?}");
        assert!(first.why.contains("the chart's Secret"), "{}", first.why);
    }
}

#[test]
fn helm_output_above_values_header_is_skipped() {
    let values = "NAME: prod\nLAST DEPLOYED: Mon Jan  5 10:00:00 2026\nNAMESPACE: relay\nSTATUS: deployed\nREVISION: 3\n\
                  USER-SUPPLIED VALUES:\nreplicaCount: 2\n";

    let (profile, imported) = super::sane(values, &release("prod"));

    assert_eq!(super::at(&profile, "replicaCount").as_integer(), Some(2));
    assert_eq!(what(&imported, "NAME"), "");
}
