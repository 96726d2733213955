//! The commands.

use clap::Subcommand;

use super::ctx::Ctx;
use super::deferred::Deferred;
use super::exit_code::Outcome;
use super::{
    adopt, apply, build, completions, diff, explain, fetch, gc, history, images, import, inspect,
    join, keygen, lock, man, pack, push, rbac, remove, render, restart, rollback, schema, secrets,
    sign, split, state, status, trust, verify,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build the bundles of profiles
    Build(Deferred<build::Args>),
    /// Print the manifests of a profile
    Render(Deferred<render::Args>),
    /// Write a profile from an existing configuration
    Import(import::Args),
    /// Explain a key, a code, or the origin of a value
    Explain(Deferred<explain::Args>),
    /// Print the JSON Schema of a profile
    Schema(Deferred<schema::Args>),
    /// Pin the images of profiles to digests
    Lock(Deferred<lock::Args>),
    /// Download pinned images into the store
    Fetch(Deferred<fetch::Args>),
    /// Push the images of a verified bundle to the site's registry
    Push(Deferred<push::Args>),
    /// Show what changes between two bundles, and which pods restart
    Diff(Deferred<diff::Args>),
    /// Show a bundle's metadata, objects and requirements
    Inspect(Deferred<inspect::Args>),
    /// Verify the signatures and every byte of a bundle before it is applied
    Verify(Deferred<verify::Args>),
    /// Verify, plan and apply a bundle to a cluster, and wait until it is ready
    Apply(Deferred<apply::Args>),
    /// Take over a Helm release, with its data and keys
    Adopt(Deferred<adopt::Args>),
    /// Restore an earlier generation from the record in the cluster
    Rollback(Deferred<rollback::Args>),
    /// Replace the pods of a workload, and wait for them
    Restart(Deferred<restart::Args>),
    /// Remove an installation, but keep its data and keys
    Remove(Deferred<remove::Args>),
    /// Show the installation, and whether it is complete and ready
    Status(Deferred<status::Args>),
    /// List all generations of an installation, newest first
    History(Deferred<history::Args>),
    /// Print the minimal Roles for applying a bundle
    Rbac(Deferred<rbac::Args>),
    /// Write, check and show a trust policy
    Trust(trust::Args),
    /// Show the accepted bundles, or reset a minimum serial
    State(state::Args),
    /// Seal secrets, and create, back up and restore those of a cluster
    Secrets(secrets::Args),
    /// List the images of a profile or a bundle
    Images(Deferred<images::Args>),
    /// Create a key pair, or show the public half of one
    Keygen(Deferred<keygen::Args>),
    /// Sign a bundle, here or with a key on another machine
    Sign(Deferred<sign::Args>),
    /// Write a bundle as one file
    Pack(Deferred<pack::Args>),
    /// Split a file into parts, for media that are too small for it
    Split(Deferred<split::Args>),
    /// Join the parts of a file, and check each
    Join(Deferred<join::Args>),
    /// Remove unreferenced bundles from the store
    Gc(Deferred<gc::Args>),
    /// Print shell completions
    Completions(Deferred<completions::Args>),
    /// Print the manual page
    Man(Deferred<man::Args>),
}

impl Command {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        match self {
            Self::Build(args) => args.0.run(ctx),
            Self::Render(args) => args.0.run(ctx),
            Self::Lock(args) => args.0.run(ctx),
            Self::Fetch(args) => args.0.run(ctx),
            Self::Push(args) => args.0.run(ctx),
            Self::Diff(args) => args.0.run(ctx),
            Self::Inspect(args) => args.0.run(ctx),
            Self::Verify(args) => args.0.run(ctx),
            Self::Apply(args) => args.0.run(ctx),
            Self::Adopt(args) => args.0.run(ctx),
            Self::Rollback(args) => args.0.run(ctx),
            Self::Restart(args) => args.0.run(ctx),
            Self::Remove(args) => args.0.run(ctx),
            Self::Status(args) => args.0.run(ctx),
            Self::History(args) => args.0.run(ctx),
            Self::Rbac(args) => args.0.run(ctx),
            Self::Trust(args) => args.run(ctx),
            Self::State(args) => args.run(ctx),
            Self::Secrets(args) => args.run(ctx),
            Self::Images(args) => args.0.run(ctx),
            Self::Keygen(args) => args.0.run(ctx),
            Self::Sign(args) => args.0.run(ctx),
            Self::Pack(args) => args.0.run(ctx),
            Self::Split(args) => args.0.run(ctx),
            Self::Join(args) => args.0.run(ctx),
            Self::Gc(args) => args.0.run(ctx),
            Self::Import(args) => args.run(ctx),
            Self::Explain(args) => args.0.run(ctx),
            Self::Schema(args) => args.0.run(ctx),
            Self::Completions(args) => args.0.run(ctx),
            Self::Man(args) => args.0.run(ctx),
        }
    }
}
