//! A bundle that is verified before anything of it is used. Shared by every command that trusts a
//! bundle.

use camino::Utf8PathBuf;

use crate::cmd::ctx::StoreArgs;
use crate::media::argument::located;
use crate::media::named_bundle::NamedBundle;

/// A bundle that is verified before anything of it is used.
#[derive(Debug, clap::Args)]
pub(in crate::cmd) struct BundleArgs {
    /// The bundle: an archive (FILE.tar, ./FILE, or - for stdin), its parts (FILE.tar.parts), a
    /// folder (DIR/), or an entry of the store (@ENTRY)
    bundle: String,
    /// A part that was copied again to another folder, with its original name; repeatable
    #[arg(long, value_name = "FILE")]
    part: Vec<Utf8PathBuf>,
}

impl BundleArgs {
    /// Returns the bundle that the arguments name.
    pub(in crate::cmd) fn named(&self, store: &StoreArgs) -> NamedBundle {
        NamedBundle {
            argument: located(&self.bundle, None).into_owned(),
            parts: self.part.clone(),
            store: store.store.clone(),
        }
    }
}
