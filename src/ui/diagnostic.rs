//! Shows diagnostics: the underlined source line with the remedy, or JSON.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Origin as Place, Renderer, Snippet,
};
use serde_json::{Value, json};

use super::escape::safe;
use crate::profile::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::profile::masking::{ShownLine, ShownText};
use crate::profile::node::Origin;
use crate::profile::sources::{SettingsSource, SourceKind, Sources, line_and_column};

/// Returns the text of all diagnostics in ANSI colours. Secrets are masked, and terminal control
/// characters are escaped.
pub fn to_text(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let renderer = Renderer::styled();
    let mut texts = BTreeMap::new();
    diagnostics
        .iter()
        .map(|diagnostic| one(&renderer, diagnostic, sources, &mut texts) + "\n\n")
        .collect()
}

/// Returns the text of one diagnostic; `texts` caches the printable text of each source.
fn one<'a>(
    renderer: &Renderer,
    diagnostic: &Diagnostic,
    sources: &'a Sources,
    texts: &mut BTreeMap<usize, ShownText<'a>>,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group =
        Group::with_title(level.primary_title(safe(&diagnostic.message)).id(diagnostic.code));
    let source = diagnostic.origin.map(|origin| (origin, sources.get(origin.source)));
    let mut shifted = None;
    if let Some((origin, source)) =
        source.filter(|(_, source)| source.kind != SourceKind::Default && !source.text.is_empty())
    {
        let text = texts.entry(origin.source).or_insert_with(|| source.shown());
        let (element, places) = excerpt(origin, source, text);
        group = group.element(element);
        shifted = places;
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(safe(help)));
    }
    let text = renderer.render(&[group]);
    match shifted {
        Some((counted, place)) => text.replacen(&counted, &place, 1),
        None => text,
    }
}

/// Returns the underlined line of an origin, or only its place if the line must be hidden.
///
/// The renderer counts escapes that the file does not have. If they shift the column, the second
/// value is the renderer's place and the right one.
fn excerpt(
    origin: Origin,
    source: &SettingsSource,
    text: &ShownText<'_>,
) -> (Element<'static>, Option<(String, String)>) {
    let name = safe(&source.name).into_owned();
    let (line, column) = line_and_column(&source.text, origin.start);
    let Some(shown) = text.line_at(origin.start) else {
        return (Place::path(name).line(line).char_column(column).into(), None);
    };
    // The span of a table may be long; its first line is enough.
    let (escaped, marked) = escape(&shown, origin.span());
    let counted = escaped[..marked.start].chars().count() + 1;
    let place = |column| format!("{name}:{line}:{column}");
    let shifted = (counted != column).then(|| (place(counted), place(column)));
    let annotation = AnnotationKind::Primary.span(marked);
    (Snippet::source(escaped).line_start(line).path(name).annotation(annotation).into(), shifted)
}

/// Escapes a line; returns it with the range in it that corresponds to `span`, a range of the
/// source.
fn escape(line: &ShownLine, span: Range<usize>) -> (String, Range<usize>) {
    let text = &line.text;
    let start = text.floor_char_boundary(span.start.saturating_sub(line.start).min(text.len()));
    let end = text.ceil_char_boundary(span.end.saturating_sub(line.start).clamp(start, text.len()));
    // Keep tabs: a tab only shifts the text after it, and the snippet shows blanks instead.
    let safe = |text: &str| text.split('\t').map(safe).collect::<Vec<_>>().join("\t");
    let (before, marked, after) =
        (safe(&text[..start]), safe(&text[start..end]), safe(&text[end..]));
    let range = before.len()..before.len() + marked.len();
    (before + &marked + &after, range)
}

/// Returns the diagnostics as JSON.
pub fn to_json(diagnostics: &Diagnostics, sources: &Sources) -> Value {
    let one = |diagnostic: &Diagnostic| {
        let place = diagnostic.origin.map(|origin| {
            let source = sources.get(origin.source);
            let (line, column) = line_and_column(&source.text, origin.start);
            match source.kind {
                SourceKind::Default => json!({"layer": "default"}),
                SourceKind::Set => json!({"layer": "set", "argument": source.masked()}),
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
