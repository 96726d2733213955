//! A forger with a trusted key changes the files of a bundle, and keeps the rest consistent.

use relay_bundle::canonical::Canonical;
use relay_bundle::model::digest::Digest;
use relay_bundle::render::yaml::{from_yaml, to_yaml};
use serde_json::{Value, json};

use super::world::Content;

pub(crate) const INDEX: &str = "bundle.json";
pub(crate) const RECIPE: &str = "recipe.json";

/// Edits a bundle's files as a forger with a trusted key would.
pub(crate) struct Forger(pub(crate) Content);

impl Forger {
    /// Returns the name of the first manifest with a kind's short name.
    pub(crate) fn manifest(&self, short: &str) -> String {
        let mut names = self.0.files.keys().filter(|path| path.contains(&format!("-{short}-")));
        names.next().unwrap_or_else(|| panic!("the bundle has a {short}")).clone()
    }

    /// Changes a manifest's text.
    pub(crate) fn text(&mut self, short: &str, edit: impl FnOnce(&str) -> String) {
        let path = self.manifest(short);
        let old = String::from_utf8(self.0.files[&path].clone()).unwrap();
        let new = edit(&old);
        assert_ne!(old, new, "{path} stays as it was");
        self.0.files.insert(path, new.into_bytes());
    }

    /// Changes a manifest's object, and writes it in this program's form.
    pub(crate) fn object(&mut self, short: &str, edit: impl FnOnce(&mut Value)) {
        self.text(short, |text| {
            let mut object = from_yaml(text.as_bytes()).unwrap();
            edit(&mut object);
            to_yaml(&object)
        });
    }

    /// Changes a document, and keeps it canonical.
    pub(crate) fn document(&mut self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut value = self.0.document(path);
        edit(&mut value);
        let bytes = Canonical::of(&value).expect("documents hold no floats").into_bytes();
        self.0.files.insert(path.to_owned(), bytes);
    }

    pub(crate) fn index(&mut self, edit: impl FnOnce(&mut Value)) {
        self.document(INDEX, edit);
    }

    /// Changes the index entry of the first manifest of a kind.
    pub(crate) fn entry(&mut self, short: &str, edit: impl FnOnce(&mut Value)) {
        let path = self.manifest(short);
        self.index(|index| {
            let mut entries = index["objects"].as_array_mut().unwrap().iter_mut();
            edit(entries.find(|entry| entry["file"] == path.as_str()).unwrap());
        });
    }

    /// Adds an object, with its entry in the index.
    pub(crate) fn add(&mut self, phase: usize, short: &str, object: &Value) {
        let text = |pointer: &str| {
            object.pointer(pointer).map_or("", |text| text.as_str().unwrap()).to_owned()
        };
        let name = text("/metadata/name");
        let file = format!("manifests/{phase:02}-{short}-{name}.yaml");
        let bytes = to_yaml(object).into_bytes();
        let entry = json!({
            "apiVersion": text("/apiVersion"), "kind": text("/kind"), "namespace": text("/metadata/namespace"),
            "name": name, "file": file, "phase": phase, "sha256": Digest::of(&bytes).to_string(),
        });
        self.0.files.insert(file, bytes);
        self.index(|index| {
            let objects = index["objects"].as_array_mut().unwrap();
            objects.push(entry);
            objects.sort_by_key(|entry| (entry["phase"].as_u64(), entry["name"].to_string()));
        });
    }

    /// Corrects the digests in the index.
    pub(crate) fn digests(&mut self) {
        let files = self.0.files.clone();
        let digest = |path: &str| files.get(path).map(|bytes| json!(Digest::of(bytes).to_string()));
        self.index(|index| {
            for entry in index["objects"].as_array_mut().unwrap() {
                if let Some(digest) = digest(entry["file"].as_str().unwrap()) {
                    entry["sha256"] = digest;
                }
            }
            index["recipe"] = digest(RECIPE).unwrap_or_default();
        });
    }
}
