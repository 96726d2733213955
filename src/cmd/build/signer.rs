//! The key and the terms of a signed build.

use super::Args;
use crate::cmd::args::key::KeyOrigin;
use crate::cmd::clock;
use crate::cmd::ctx::Ctx;
use crate::cmd::signing_key::tell_of_new_pair;
use crate::failure::Failure;
use crate::signing::entry::BuildSigner;

impl Args {
    /// Reads or generates the key, if the bundles are signed.
    pub(super) fn signer(&self, ctx: &Ctx) -> Result<Option<BuildSigner>, Failure> {
        let Some(path) = &self.key.key else { return Ok(None) };
        let now = clock::now()?;
        let terms = self.terms.chosen();
        // Wrong terms are refused before a passphrase is asked for.
        terms.terms(now)?;
        let key = if self.keygen {
            let (key, origin) = self.key.load_or_make(ctx)?;
            if origin == KeyOrigin::Made {
                let is_encrypted = self.key.passphrase.is_given();
                tell_of_new_pair(path, is_encrypted, &key.public(), ctx);
            }
            key
        } else {
            self.key.load(ctx)?
        };
        Ok(Some(BuildSigner { key, now, terms }))
    }
}
