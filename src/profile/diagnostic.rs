//! The findings about a profile, as data; `ui/diagnostic.rs` shows them.

use super::node::{Origin, Path};

/// The maximum number of findings; a text with more mistakes is probably the wrong file.
pub const DIAGNOSTICS_MAX: usize = 100;

/// The warning about images that are named by a tag, which most new profiles have.
const COMMON: &str = "RB0402";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding: a stable code, a place, the problem and a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: &'static str,
    pub severity: Severity,
    /// A fragment in lower case, which follows `error[RB0017]: `.
    pub message: String,
    /// The origin of the cause.
    pub origin: Option<Origin>,
    /// The key that the finding concerns.
    pub path: Option<Path>,
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            origin: None,
            path: None,
            help: None,
        }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    #[must_use]
    pub fn on(mut self, path: &Path) -> Self {
        self.path = Some(path.clone());
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The findings about one profile; [`Diagnostics::sort`] puts them into the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let room = self.0.len() < DIAGNOSTICS_MAX || diagnostic.severity == Severity::Error;
        if room && self.0.len() < 4 * DIAGNOSTICS_MAX && !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    pub(super) fn append(&mut self, others: Self) {
        others.0.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Changes each finding.
    pub(super) fn edit(&mut self, change: impl FnMut(&mut Diagnostic)) {
        self.0.iter_mut().for_each(change);
    }

    /// Removes warnings, except those about keys that `concerns` accepts.
    pub fn only_warnings_of(&mut self, concerns: &dyn Fn(&str) -> bool) {
        let is_about = |diagnostic: &Diagnostic| {
            diagnostic.path.as_ref().is_none_or(|path| concerns(&path.to_string()))
        };
        self.0.retain(|diagnostic| diagnostic.severity == Severity::Error || is_about(diagnostic));
    }

    /// Returns the errors, without the warnings.
    #[must_use]
    pub fn only_errors(&self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|diagnostic| diagnostic.severity == Severity::Error)
                .cloned()
                .collect(),
        )
    }

    /// Returns the number of errors.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// Sorts by place, with errors first at the same place, and keeps the first [`DIAGNOSTICS_MAX`]
    /// findings, errors before warnings.
    ///
    /// The warning that nearly every profile has comes last.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|diagnostic| diagnostic.severity);
        self.0.truncate(DIAGNOSTICS_MAX);
        self.0.sort_by(|a, b| {
            // Later layers come first: the user's own file before its bases.
            let place = |d: &Diagnostic| d.origin.map(|o| (usize::MAX - o.source, o.start, o.end));
            let is_common = |d: &Diagnostic| d.code == COMMON;
            is_common(a)
                .cmp(&is_common(b))
                .then_with(|| place(a).cmp(&place(b)))
                .then(a.severity.cmp(&b.severity))
                .then(a.code.cmp(b.code))
        });
    }
}
