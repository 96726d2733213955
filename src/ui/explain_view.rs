//! Shows the meaning of a key or a code, and the origin of values.

use std::io::{self, Write};

use serde::Serialize;

use super::printer::Report;
use crate::profile::codes::Code;
use crate::profile::explain::{KeyDoc, Setting};
use crate::trust::refusal_codes::RefusalCode;

const REACH_TITLE: &str = "the ways in which a bundle reaches beyond its namespace";

const REACH_TEXT: &str = "`verify`, `inspect` and the plan of `apply` list them, one line per object and way: \
hosts of an Ingress or HTTPRoute, annotations and labels that controllers of the cluster act on, \
ports of nodes, tolerations, devices, priorities of the system, budgets that block drains, \
other namespaces. A bundle may use all of them: compare each line with your expectations of the \
release, and ask the builder about any other. Anything that would give control of a node is refused \
(FORBIDDEN_CONTENT).

A profile sets it: `relay-bundle explain ingress.hosts`, `ingress.annotations`, `podLabels`, \
`tolerations`. The annotations of an nginx in front of the ingress controller come from \
`ingress.presets`. docs/format/report-json.md lists every way; `--json` has values of any length. \
`<redacted>` stands for a part that may be a credential: read it in the manifest of the object.";

/// The documentation of a key.
#[derive(Debug, Serialize)]
pub struct KeyReport {
    #[serde(flatten)]
    pub key: KeyDoc,
}

/// Values of a profile, and where they were set.
#[derive(Debug, Serialize)]
pub struct OriginReport {
    pub profile: String,
    pub settings: Vec<Setting>,
}

/// The meaning of a code.
#[derive(Debug, Serialize)]
pub struct CodeReport {
    code: &'static str,
    title: &'static str,
    text: &'static str,
}

impl CodeReport {
    /// Explains the code of a diagnostic.
    pub fn of_diagnostic(code: &Code) -> Self {
        let Code { code, title, explanation: text } = *code;
        Self { code, title, text }
    }

    /// Explains the code of a refusal.
    pub fn of_refusal(code: &RefusalCode) -> Self {
        let RefusalCode { code, meaning: title, remedy: text } = *code;
        Self { code, title, text }
    }

    /// Explains the `reaches` lines of reports.
    pub fn of_reach() -> Self {
        Self { code: "reaches", title: REACH_TITLE, text: REACH_TEXT }
    }
}

impl Report for KeyReport {
    const SCHEMA: &'static str = "key/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let key = &self.key;
        writeln!(out, "{}: {}", key.path, key.kind)?;
        writeln!(out, "\n  {}\n", key.description)?;
        writeln!(out, "  default    {}", key.default.as_deref().unwrap_or("none"))?;
        let lists = [("takes", &key.constraints), ("drives", &key.drives), ("keys", &key.children)];
        for (title, lines) in lists {
            for (index, line) in lines.iter().enumerate() {
                writeln!(out, "  {:<10} {line}", if index == 0 { title } else { "" })?;
            }
        }
        key.variable.iter().try_for_each(|variable| writeln!(out, "  variable   {variable}"))
    }
}

impl Report for OriginReport {
    const SCHEMA: &'static str = "origin/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for setting in &self.settings {
            let value = setting.value.as_deref().unwrap_or("unset");
            writeln!(out, "{} = {value}    # {}", setting.path, setting.place)?;
        }
        Ok(())
    }
}

impl Report for CodeReport {
    const SCHEMA: &'static str = "code/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}\n\n{}", self.code, self.title, self.text.trim_end())
    }
}
