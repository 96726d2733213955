//! The imported profile, checked like one in a folder.

use super::Imported;
use crate::profile::masking::Visibility;
use crate::profile::overlay::ProfileFiles;
use crate::profile::{self, Loaded};

impl Imported {
    /// Checks the profile. The text is useful even if it has errors.
    pub fn check(&self, visibility: Visibility) -> Loaded {
        profile::load("imported", &[], &ImportedFile { toml: &self.toml, visibility })
    }
}

/// A profile that is not in a folder yet.
struct ImportedFile<'a> {
    toml: &'a str,
    visibility: Visibility,
}

impl ProfileFiles for ImportedFile<'_> {
    fn profile(&self, _: &str) -> Result<(String, Vec<u8>), String> {
        Ok(("imported profile".to_owned(), self.toml.as_bytes().to_vec()))
    }

    fn visibility(&self, _: &str) -> Visibility {
        self.visibility
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("`{path}` does not exist yet"))
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}
