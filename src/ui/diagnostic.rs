//! Shows diagnostics: the source line, underlined, with what to do; or as data.

use std::collections::BTreeMap;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use crate::profile::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::profile::node::{SourceKind, Sources, line_and_column};

/// Returns the text of all diagnostics, with ANSI colours, secrets masked.
pub fn to_text(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let renderer = Renderer::styled();
    let mut texts = BTreeMap::new();
    diagnostics.iter().map(|diagnostic| one(&renderer, diagnostic, sources, &mut texts) + "\n\n").collect()
}

/// Shows one; `texts` keeps what people may see of each source.
fn one(
    renderer: &Renderer,
    diagnostic: &Diagnostic,
    sources: &Sources,
    texts: &mut BTreeMap<usize, String>,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let source = diagnostic.origin.map(|origin| (origin, sources.get(origin.source)));
    let mut group = Group::with_title(title);
    if let Some((origin, source)) =
        source.filter(|(_, source)| source.kind != SourceKind::Default && !source.text.is_empty())
    {
        let text = texts.entry(origin.source).or_insert_with(|| source.shown()).as_str();
        let start = text.floor_char_boundary(origin.start.min(text.len()));
        // A table's span may be long: its first line says enough.
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let end = text.ceil_char_boundary(origin.end.clamp(start, line_end));
        let annotation = AnnotationKind::Primary.span(start..end);
        group = group.element(Snippet::source(text).path(source.name.as_str()).annotation(annotation));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// Returns the diagnostics as data.
pub fn to_json(diagnostics: &Diagnostics, sources: &Sources) -> Value {
    let one = |diagnostic: &Diagnostic| {
        let place = diagnostic.origin.map(|origin| {
            let source = sources.get(origin.source);
            let (line, column) = line_and_column(&source.text, origin.start);
            match source.kind {
                SourceKind::Default => json!({"layer": "default"}),
                SourceKind::Set => json!({"layer": "set", "argument": source.shown()}),
                SourceKind::File => {
                    json!({"layer": "file", "file": source.name, "line": line, "column": column})
                }
            }
        });
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "code": diagnostic.code,
            "severity": severity,
            "message": diagnostic.message,
            "key": diagnostic.path.as_ref().map(ToString::to_string),
            "place": place,
            "help": diagnostic.help,
        })
    };
    diagnostics.iter().map(one).collect()
}
