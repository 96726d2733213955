//! Merges the layers of a profile: defaults < `extends`, from left to right < the profile <
//! `--set`.

use std::collections::{BTreeMap, BTreeSet};

use super::defaults;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::masking::Visibility;
use super::node::{Entry, Node, Origin, Path, Table, Value};
use super::sources::{SourceKind, Sources};
use super::workload_image::WorkloadImage;
use super::{absent, explain, key_types, secrets, suggest};
use crate::model::credential;
use crate::model::text::Label;

/// The largest number of files that one profile may consist of.
const FILES_MAX: usize = 64;

/// The source of profile files: a folder for the shell, a map for tests.
pub trait ProfileFiles {
    /// Returns the file name for messages and the bytes of profile `name`.
    ///
    /// # Errors
    ///
    /// Returns the reason if it cannot be read.
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String>;

    /// Returns how much of profile `name` messages may show.
    fn visibility(&self, name: &str) -> Visibility;

    /// Returns the bytes of a file below the profiles' folder.
    ///
    /// # Errors
    ///
    /// Returns the reason if it cannot be read.
    fn file(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Returns the text of the image lock, or `None` without a lock.
    ///
    /// # Errors
    ///
    /// Returns the reason if it cannot be read.
    fn images_lock(&self) -> Result<Option<String>, String> {
        Ok(None)
    }

    /// Returns whether the checks inspect the files that [`ProfileFiles::file`] returns.
    ///
    /// Commands that seal files, or inspect them themselves, return false.
    fn checks_sealed_files(&self) -> bool {
        true
    }

    /// Returns the names of all profiles, sorted.
    fn names(&self) -> Vec<String>;
}

/// A profile merged with all its bases; not typed yet.
pub struct Layers {
    pub defaults: &'static Node,
    pub merged: Node,
    /// The keys that a word takes away: `merged` lacks them, and they have no default.
    pub absent: BTreeSet<Path>,
    pub sources: Sources,
}

/// Reads profile `name` and the profiles that it extends, and lays `sets` (each `path=value`) on
/// top.
pub fn overlay(
    name: &str,
    sets: &[String],
    files: &dyn ProfileFiles,
    diagnostics: &mut Diagnostics,
) -> Layers {
    let mut sources = Sources::of_defaults();
    let defaults = defaults::tree();
    let mut merged = Node::clone(defaults);
    let mut reader = Reader { files, sources: &mut sources, diagnostics, loaded: 0 };
    reader.add(name, None, &mut Vec::new(), &mut merged);
    for set in sets {
        match add_set(set, &mut sources) {
            Ok(layer) => lay(&mut merged, &sources.get(layer).tree),
            Err(refusal) => diagnostics.push(*refusal),
        }
    }
    drop_outdated_digests(&mut merged);
    let absent = absent::take_away(&mut merged);
    Layers { defaults, merged, absent, sources }
}

/// Merges a layer into the layers below it.
///
/// A secret has one source, so a secret in another form replaces the one below instead of merging
/// with it.
fn lay(merged: &mut Node, layer: &Node) {
    for path in secrets::forms(layer) {
        let below = merged.get(&path).map(Node::keys);
        if below.is_some_and(|below| below != layer.get(&path).map(Node::keys).unwrap_or_default())
        {
            merged.remove(&path);
        }
    }
    merged.merge(layer);
}

struct Reader<'a> {
    files: &'a dyn ProfileFiles,
    sources: &'a mut Sources,
    diagnostics: &'a mut Diagnostics,
    loaded: usize,
}

impl Reader<'_> {
    /// Lays the bases of profile `name` and then the profile itself over `merged`; `from` is the
    /// place in another profile that names it.
    fn add(
        &mut self,
        name: &str,
        from: Option<Origin>,
        chain: &mut Vec<String>,
        merged: &mut Node,
    ) {
        if let Some(problem) = self.refuse(name, chain) {
            self.push(problem, from);
            return;
        }
        let Some(layer) = self.read(name, from) else { return };
        chain.push(name.to_owned());
        for (base, origin) in bases(&self.sources.get(layer).tree) {
            self.add(&base, Some(origin), chain, merged);
        }
        chain.pop();
        lay(merged, &self.sources.get(layer).tree);
    }

    fn refuse(&mut self, name: &str, chain: &[String]) -> Option<Diagnostic> {
        self.loaded += 1;
        if chain.iter().any(|link| link == name) {
            let message = format!("`extends` is circular: {} -> {name}", chain.join(" -> "));
            return Some(
                Diagnostic::error("RB0008", message).help("remove one of them from `extends`"),
            );
        }
        if self.loaded > FILES_MAX {
            let message = format!("the profile extends more than {FILES_MAX} files");
            return Some(Diagnostic::error("RB0008", message).help("extend fewer profiles"));
        }
        None
    }

    /// Reads profile `name`, and returns the index of its source.
    fn read(&mut self, name: &str, from: Option<Origin>) -> Option<usize> {
        let read = match name.parse::<Label>() {
            Ok(_) => self.files.profile(name),
            Err(error) => Err(error.to_string()),
        };

        match read.and_then(|(file, bytes)| text_of(&file, bytes).map(|text| (file, text))) {
            Ok((file, text)) => {
                let visibility = self.files.visibility(name);
                let kind = SourceKind::File;
                Some(self.sources.add(kind, &file, text, visibility, self.diagnostics))
            }
            Err(reason) => {
                let names = self.files.names();
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let help = match suggest::among(name, &known) {
                    _ if known.contains(&name) => {
                        "a profile is a readable text in UTF-8".to_owned()
                    }
                    Some(near) => format!("did you mean `{near}`?"),
                    _ if known.is_empty() => {
                        "pass the folder of the profiles: --profiles DIR".to_owned()
                    }
                    _ => format!("available profiles: {}", suggest::list(&known)),
                };
                self.push(Diagnostic::error("RB0007", reason).help(help), from);
                None
            }
        }
    }

    fn push(&mut self, diagnostic: Diagnostic, from: Option<Origin>) {
        let placed = match from {
            Some(origin) => diagnostic.at(origin).on(&Path::of("extends")),
            None => diagnostic,
        };
        self.diagnostics.push(placed);
    }
}

/// Returns the names in `extends` that are strings; typing the tree reports the others.
fn bases(tree: &Node) -> Vec<(String, Origin)> {
    let list = tree.get(&Path::of("extends")).map(|node| &node.value);
    let Some(Value::Array(items)) = list else { return Vec::new() };
    let name = |item: &Node| match &item.value {
        Value::Text(text) => Some((text.clone(), item.origin)),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

/// Returns the text of a file, without a byte order mark and with LF line ends.
fn text_of(file: &str, bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("`{file}` is not UTF-8 (byte {})", error.utf8_error().valid_up_to())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_owned() })
}

/// Adds one `--set path=value`, and returns the index of its source.
fn add_set(set: &str, sources: &mut Sources) -> Result<usize, Box<Diagnostic>> {
    let refuse =
        |message: String, help: String| Box::new(Diagnostic::error("RB0009", message).help(help));
    let (path, value) =
        set.split_once('=').filter(|(path, _)| !path.trim().is_empty()).ok_or_else(|| {
            refuse("`--set` takes `path=value`".into(), "for example --set replicaCount=3".into())
        })?;

    let path = path.trim();
    // The message must not show the argument before the path is known to hold no secret.
    if !path.chars().all(|c| c.is_alphanumeric() || "-_.[]/\"'".contains(c)) {
        let help = "separate keys with dots, such as --set config.logLevel='\"debug\"'";
        return Err(refuse("`--set`: invalid key path before `=`".into(), help.into()));
    }

    refuse_secret(&Path::of(path))?;
    let path = &secrets::shown_key(path);
    if path.contains('[') {
        return Err(refuse(
            format!("`--set {path}`: the path refers into an array"),
            "set the whole array, such as --set 'ingress.hosts=[{host=\"relay.example.internal\"}]'".into(),
        ));
    }

    let mut problems = Diagnostics::default();
    let (kind, visibility) = (SourceKind::Set, Visibility::Lines);
    let layer = sources.add(kind, "--set", set.to_owned(), visibility, &mut problems);
    if problems.has_errors() || set.contains('\n') {
        let (what, help) = not_toml(path, value.trim());
        return Err(refuse(format!("`--set {path}`: {what}"), help));
    }

    let secret = secrets::first_secret(&sources.get(layer).tree);
    secret.map_or(Ok(layer), |secret| Err(refuse_set(&secret).into()))
}

/// Rejects a path that belongs to a secret, or is probably a misspelt one.
fn refuse_secret(path: &Path) -> Result<(), Box<Diagnostic>> {
    if secrets::may_be_secret(path) {
        return Err(refuse_set(path).into());
    }
    if !secrets::may_be_misspelt(path) {
        return Ok(());
    }
    let shown = secrets::shown_path(path);
    let message = format!("`--set {shown}`: unknown key, similar to that of a secret");
    Err(Diagnostic::error("RB0009", message).help(explain::unknown_key(&path.to_string())).into())
}

fn refuse_set(secret: &Path) -> Diagnostic {
    let shown = secrets::shown_path(secret);
    Diagnostic::error("RB0009", format!("`--set` cannot set the secret `{shown}`")).help(
        "arguments are visible to other users and stored in the recipe: write it in the profile",
    )
}

/// Returns the problem of a value that is not TOML, and a suggestion.
fn not_toml(path: &str, value: &str) -> (&'static str, String) {
    let switch = value.to_ascii_lowercase();
    match switch.as_str() {
        "" => ("a value is missing", format!("an empty string is --set '{path}=\"\"'")),
        "true" | "false" => (
            "the value is not TOML",
            format!("booleans are lower case in TOML: --set {path}={switch}"),
        ),
        _ if is_word_for(path, value) => {
            ("the value is not TOML", format!("a string needs quotes: --set '{path}={value:?}'"))
        }
        _ => ("the value is not TOML", format!("a string needs quotes: --set '{path}=\"…\"'")),
    }
}

/// Returns whether a value is a single word for a key that takes a text, so that it cannot contain
/// part of a secret.
fn is_word_for(path: &str, value: &str) -> bool {
    let is_word = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c));
    let takes_text = key_types::takes(&Path::of(path), &Value::Text(value.to_owned()));
    is_word && takes_text && !credential::holds_credential(value)
}

/// Clears a digest that belongs to another tag, because a layer below the tag's sets it.
fn drop_outdated_digests(tree: &mut Node) {
    for image in WorkloadImage::ALL {
        let node = tree.get_mut(&Path::of(image.path()));
        let Some(Value::Table(table)) = node.map(|node| &mut node.value) else {
            continue;
        };
        let layer = |table: &BTreeMap<String, Entry>, key: &str| {
            table.get(key).map(|entry| entry.node.origin.source)
        };
        if layer(table, "tag") > layer(table, "digest") && layer(table, "digest").is_some() {
            clear_text(table, "digest");
        }
    }
}

fn clear_text(table: &mut Table, key: &str) {
    if let Some(Entry { node: Node { value: value @ Value::Text(_), .. }, .. }) = table.get_mut(key)
    {
        *value = Value::Text(String::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_with_secret_sounding_key_is_refused_unquoted() {
        for path in [
            "config.jwtsecret",
            "config.jwtSecrt",
            "config.jwtSecrt.value",
            "storage.logs.fluentbit.output.config.\"rdkafka.ssl.key.pem\"",
        ] {
            let refusal = add_set(&format!("{path}=\"s3cr3t\""), &mut Sources::of_defaults());
            let refusal = refusal.err().map(|refusal| format!("{refusal:?}"));
            assert!(refusal.is_some_and(|refusal| !refusal.contains("s3cr3t")), "{path}");
        }
        assert!(add_set("config.defaultTokenLimit=5", &mut Sources::of_defaults()).is_ok());
    }
}
