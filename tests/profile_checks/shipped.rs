//! The shipped profiles: without errors, and without warnings except those that wait for digests
//! and for a key.

use std::path::{Path, PathBuf};

use relay_bundle::profile;
use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;

use super::words;

struct Folder(PathBuf);

impl ProfileFiles for Folder {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        let file = format!("{name}.toml");
        Ok((format!("profiles/{file}"), self.file(&file)?))
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        fs_err::read(self.0.join(path)).map_err(|error| error.to_string())
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn shipped_profiles_only_warn_about_user_supplied_values() {
    let folder = Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles"));
    for name in ["dev", "production", "loki-logging", "pvc-logs"] {
        let loaded = profile::load(name, &[], &folder);
        assert!(loaded.profile.is_some(), "{name}:\n{}", words(&loaded));
        let (brought, other): (Vec<_>, Vec<_>) = loaded
            .diagnostics
            .iter()
            .partition(|finding| ["RB0402", "RB0418"].contains(&finding.code));
        assert!(other.is_empty(), "{name}:\n{}", words(&loaded));
        let keys = brought.iter().filter(|finding| finding.code == "RB0418").count();
        assert_eq!(keys, usize::from(name != "dev"), "{name}:\n{}", words(&loaded));
    }
}
