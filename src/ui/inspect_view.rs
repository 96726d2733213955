//! Shows a bundle on one page.

use std::io::{self, Write};

use serde::Serialize;

use super::age_keys_view;
use super::escape::safe;
use super::printer::Report;
use super::reach_view;
use super::style::{ADDED, FAINT, HEADING, REMOVED, paint};
use crate::bundle::index::{Source, Wanted, WantedKey};
use crate::bundle::posture::{Posture, WorkloadPosture};
use crate::bundle::summary::Summary;
use crate::images::summary::ImagesSummary;
use crate::model::words::first_of;

/// A bundle whose signatures were not verified.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectReport {
    pub origin: String,
    /// Whether the bundle has an attestation; absent for a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attested: Option<bool>,
    /// Always false: `inspect` verifies no signature.
    pub verified: bool,
    #[serde(skip)]
    pub signature: &'static str,
    /// The images that came with the bundle; absent if they are not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried: Option<ImagesSummary>,
    #[serde(flatten)]
    pub summary: Summary,
}

impl Report for InspectReport {
    const SCHEMA: &'static str = "inspect/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:<12}{}", "from", safe(&self.origin))?;
        if let Some(images) = &self.carried {
            writeln!(out, "{:<12}{images}", "images")?;
        }
        write(&self.summary, self.signature, out)
    }
}

/// Writes the page.
fn write(summary: &Summary, signature: &str, out: &mut dyn Write) -> io::Result<()> {
    identity(summary, signature, out)?;
    objects(summary, out)?;
    heading("Images", out)?;
    for image in &summary.images {
        writeln!(out, "  {}", safe(&image.reference))?;
        writeln!(out, "      {}", paint(FAINT, safe(&image.containers.join(", "))))?;
    }
    contract(&summary.contract, out)?;
    security(&summary.posture, out)?;
    heading("Reaches beyond the namespace", out)?;
    reach_view::lines(&summary.reach)
        .iter()
        .try_for_each(|line| writeln!(out, "  {}", safe(line)))?;
    heading("Consumed by pods", out)?;
    for workload in &summary.workloads {
        writeln!(out, "  {}/{}", safe(&workload.kind), safe(&workload.name))?;
        workload.consumes.iter().try_for_each(|item| writeln!(out, "      {}", safe(item)))?;
    }
    Ok(())
}

fn heading(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{}", paint(HEADING, text))
}

fn identity(summary: &Summary, signature: &str, out: &mut dyn Write) -> io::Result<()> {
    let sizes = format!(
        "{} files, {} bytes; {} manifests, {} bytes",
        summary.files,
        summary.bytes,
        summary.objects.len(),
        summary.manifests_bytes
    );
    let lines = [
        ("name", summary.name.clone()),
        ("profile", summary.profile.clone()),
        ("namespace", summary.namespace.clone()),
        ("environment", summary.environment.clone()),
        ("content id", summary.content_id.clone()),
        ("relay", summary.app_version.clone()),
        ("kubernetes", format!("{} to {}", summary.kubernetes.min, summary.kubernetes.max)),
        ("format", format!("{}, renderAbi {}", summary.format, summary.render_abi)),
        ("signature", signature.to_owned()),
        ("size", sizes),
    ];
    for (name, value) in lines {
        writeln!(out, "{name:<12}{}", safe(&value))?;
    }
    age_keys_view::write(&summary.age_keys, out)?;
    summary.set.iter().try_for_each(|set| writeln!(out, "{:<12}{}", "--set", safe(set)))
}

fn objects(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    heading("Objects, in apply order", out)?;
    let width = summary.objects.iter().map(|object| object.kind.len()).max().unwrap_or_default();
    for object in &summary.objects {
        let (kind, name) = (safe(&object.kind), safe(&object.name));
        writeln!(
            out,
            "  {kind:<width$}  {name}  {}",
            paint(FAINT, format_args!("{} bytes", object.bytes))
        )?;
    }
    Ok(())
}

fn contract(contract: &[Wanted], out: &mut dyn Write) -> io::Result<()> {
    let groups = [
        (Source::Cluster, "Required: must exist before apply"),
        (Source::Generated, "Required: generated once, at the first apply"),
        (Source::Sealed, "Required: decrypted at apply"),
    ];
    for (source, title) in groups {
        let group: Vec<&Wanted> =
            contract.iter().filter(|wanted| wanted.source == source).collect();
        if group.is_empty() {
            continue;
        }
        heading(title, out)?;
        for wanted in group {
            let keys: Vec<String> = wanted.keys.iter().map(key).collect();
            let keys =
                if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
            writeln!(out, "  {}/{}{}", safe(&wanted.kind), safe(&wanted.name), safe(&keys))?;
            let users = format!("for {}", first_of(USERS_SHOWN, &wanted.used_by, ", "));
            writeln!(out, "      {}", paint(FAINT, safe(&users)))?;
        }
    }
    Ok(())
}

/// The number of named users of a required object.
const USERS_SHOWN: usize = 3;

fn key(key: &WantedKey) -> String {
    let mut details = Vec::new();
    details.extend(key.length.map(|length| format!("{length} characters")));
    details.extend(key.generation.map(|generation| format!("generation {generation}")));
    details.extend(key.file.clone());
    if details.is_empty() {
        key.key.clone()
    } else {
        format!("{} ({})", key.key, details.join(", "))
    }
}

fn security(posture: &Posture, out: &mut dyn Write) -> io::Result<()> {
    heading("Security", out)?;
    posture.workloads.iter().try_for_each(|workload| fence(workload, out))?;
    match posture.network_policies.as_slice() {
        [] => writeln!(out, "  no NetworkPolicies: any pod of the cluster may connect")?,
        names => writeln!(out, "  NetworkPolicies: {}", safe(&names.join(", ")))?,
    }
    match posture.literal_secrets.as_slice() {
        [] => writeln!(out, "  no Secret of the bundle contains a value"),
        keys => {
            let text = format!("! secret values in the bundle: {}", keys.join(", "));
            writeln!(out, "  {}", paint(REMOVED, safe(&text)))
        }
    }
}

fn fence(workload: &WorkloadPosture, out: &mut dyn Write) -> io::Result<()> {
    let name = format!("{}/{}", workload.kind, workload.name);
    let verdict = if workload.is_restricted() {
        paint(ADDED, "restricted")
    } else {
        paint(REMOVED, "not restricted")
    };
    let token = if workload.service_account_token { "with an API token" } else { "no API token" };
    writeln!(out, "  {}: {verdict}, {token}", safe(&name))?;
    for violation in &workload.violations {
        writeln!(out, "      ! {}", safe(violation))?;
    }
    for container in &workload.containers {
        for violation in &container.violations {
            writeln!(out, "      ! {}: {}", safe(&container.name), safe(violation))?;
        }
        if !container.read_only_root {
            writeln!(out, "      {}: its root file system is writable", safe(&container.name))?;
        }
    }
    Ok(())
}
