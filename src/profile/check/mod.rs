//! Rules between keys, and rules of values that their types do not carry. Each finding has its code in `codes.rs`.

mod logs;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Node, Path};
use super::overlay::ProfileFiles;
use super::resolve::Profile;

/// Checks a typed profile; reads the encrypted files that it names.
pub fn check(profile: &mut Profile, tree: &Node, files: &dyn ProfileFiles, diagnostics: &mut Diagnostics) {
    let mut report = Report { tree, diagnostics };
    logs::check(&mut profile.settings, &mut report);
    sealed(profile, files, &mut report);
}

/// Collects findings; each is placed where its key was written.
pub struct Report<'a> {
    tree: &'a Node,
    diagnostics: &'a mut Diagnostics,
}

impl Report<'_> {
    pub fn error(
        &mut self,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, message), path, help);
    }

    pub fn warning(
        &mut self,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::warning(code, message), path, help);
    }

    fn push(&mut self, diagnostic: Diagnostic, path: &str, help: impl Into<String>) {
        let path = Path::of(path);
        let origin = self.tree.nearest_origin(&path);
        self.diagnostics.push(diagnostic.at(origin).on(&path).help(help));
    }
}

/// Reads the encrypted files.
fn sealed(profile: &mut Profile, files: &dyn ProfileFiles, report: &mut Report<'_>) {
    let names: Vec<String> = profile.secrets().iter().filter_map(|secret| secret.form.age_file()).collect();
    for name in names {
        match files.file(&name) {
            Ok(bytes) => {
                profile.sealed.insert(name, bytes);
            }
            Err(reason) => report.error("RB0210", "", reason, "make it with `relay-bundle secrets encrypt`"),
        }
    }
}
