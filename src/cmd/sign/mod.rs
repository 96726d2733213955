//! `sign`: signs a bundle, here or with a key on another machine.

mod offline;

use std::process::ExitCode;

use clap::ArgGroup;

use super::args::key::KeyArgs;
use super::args::terms::TermsArgs;
use super::clock;
use super::ctx::{Ctx, StoreArgs};
use super::exit_code::Outcome;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::media::argument::{BundleArgument, check_not_stdin, not_built};
use crate::model::words::count;
use crate::signing::draft::{Discarded, Draft};
use crate::signing::offline_files::write_payload;
use crate::signing::releases::NewTerms;
use crate::signing::seen::SeenAttestation;
use crate::signing::target::SigningTarget;
use crate::trust::key::PublicKey;
use crate::ui::statement_view::{SignReport, describe};
use offline::OfflineArgs;

#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("how").args(["key", "payload", "attach"]).required(true).multiple(true)),
    mut_arg("key", |argument| argument.conflicts_with_all(["payload", "attach"])),
    after_long_help = "Adds a new statement to an unsigned bundle, or a further signature to the statement of a signed one.

Examples:
  relay-bundle sign @production --key signing.pem  the newest in the store
  relay-bundle sign prod.tar --key approver.pem    one more signer
  relay-bundle sign prod.tar --key signing.pem --reseal \\
      --site plant-7 --expires 30d

With a key on another machine:
  relay-bundle sign prod.tar --payload payload.bin
  openssl pkeyutl -sign -rawin -inkey key.pem -in payload.bin -out payload.sig
  relay-bundle sign prod.tar --attach payload.sig \\
      --public-key key.pub.pem --payload payload.bin"
)]
pub struct Args {
    /// The bundle: a folder, an archive, or @NAME in the store
    bundle: String,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    offline: OfflineArgs,
    /// Make a new statement, and discard the signatures of the old one
    #[arg(long)]
    reseal: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    terms: TermsArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let place = self.target(ctx)?;
        let (bundle, seen) = place.read()?;
        let releases = place.releases(&bundle, seen.as_ref())?;
        let chosen = self.terms.chosen();
        let terms = NewTerms { chosen: &chosen, now: clock::now()?, releases: &releases };
        let (mut draft, discarded) = self.draft(&bundle, seen, &terms)?;
        discarded.warnings.iter().for_each(|warning| ctx.printer.warn(warning));

        let path = place.path();
        let described = describe(path.as_str(), &draft.statement, draft.signers().len());
        ctx.printer.say_lines(&described);
        for warning in draft.check_serial(&releases)? {
            ctx.printer.warn(&warning);
        }

        if let Some(payload) = self.offline.payload_to_write() {
            write_payload(&place, payload, &draft.signed_bytes())?;
            ctx.printer
                .say(&format!("wrote the bytes to sign to {payload}; the bundle is unchanged"));
            let report = SignReport::of(path, draft.statement.clone(), draft.signers());
            ctx.printer.report(&SignReport { payload: Some(payload.to_owned()), ..report })?;
            return Ok(ExitCode::SUCCESS);
        }

        let (key, is_new) = self.add(ctx, &mut draft)?;
        // The serial is checked again under the lock, because another release may have got it while
        // the passphrase was typed.
        let _serials = place.lock_serials()?;
        draft.check_serial(&place.releases(&bundle, None)?)?;
        let lock = place.lock()?;
        if let Some(warning) = place.unlocked_warning(&lock) {
            ctx.printer.warn(&warning);
        }

        let signed = draft.write(&place, lock, &key)?;
        let signatures = count(signed.signers.len(), "signature");
        let verb = if is_new { "signed by" } else { "was already signed by" };
        ctx.printer.say(&format!("{verb} {}; the statement has {signatures}", key.id()));
        let report = SignReport::of(path, signed.statement, signed.signers);
        ctx.printer.report(&SignReport {
            signer: Some(key.id()),
            discarded: discarded.signers,
            ..report
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Finds the bundle.
    fn target(&self, ctx: &Ctx) -> Result<SigningTarget, Failure> {
        check_not_stdin(&self.bundle, "is not signed")?;
        match BundleArgument::of(&self.bundle) {
            BundleArgument::Path(path) => SigningTarget::at(path, ctx.waits()),
            BundleArgument::Entry(reference) => {
                let store = ctx.store(&self.store);
                let (entry, _) = store.open(reference)?;
                Ok(SigningTarget::entry(store, entry, ctx.waits()))
            }
            BundleArgument::Profile(name) => Err(not_built(name, "signed")),
        }
    }

    /// Returns the statement to sign, and the signatures that it discards.
    fn draft(
        &self,
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        terms: &NewTerms<'_>,
    ) -> Result<(Draft, Discarded), Failure> {
        if self.offline.attached().is_some() {
            let is_new = self.reseal || seen.is_none();
            self.offline.draft(bundle, seen, (is_new, terms))
        } else if self.reseal {
            Draft::replacing(bundle, seen, terms)
        } else {
            Ok((Draft::of(bundle, seen, terms)?, Discarded::default()))
        }
    }

    /// Adds the signature. Returns its key, and whether the signature is new.
    fn add(&self, ctx: &Ctx, draft: &mut Draft) -> Result<(PublicKey, bool), Failure> {
        if let Some((signature, public)) = self.offline.attached() {
            return offline::attach(draft, signature, public);
        }
        let key = self.key.load(ctx)?;
        let is_new = draft.sign(&key)?;
        Ok((key.public(), is_new))
    }
}
