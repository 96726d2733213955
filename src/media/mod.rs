//! Bundles wherever they lie.
//!
//! | module | content |
//! |---|---|
//! | `archive` | the strict tar: reads, writes, and replaces the file in one step |
//! | `parts` | a file in parts |
//! | `medium` | opens an archive, an archive in parts, a folder, or an entry of the store |
//! | `argument` | the kinds of bundle arguments, by their spelling |
//! | `named_bundle` | the gate: a bundle argument that is verified before any of its content is used |
//! | `unverified_bundle` | a bundle whose signatures are not verified |
//! | `images_at` | the place of a bundle's images |
//! | `emission` | the manifests of a verified bundle, for kubectl |

pub mod archive;
pub mod argument;
pub mod emission;
mod failure;
pub mod images_at;
pub mod medium;
pub mod named_bundle;
pub mod parts;
pub mod unverified_bundle;
