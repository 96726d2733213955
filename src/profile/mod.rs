//! Turns a profile's text into checked settings, and reports every mistake at once.
//!
//! `overlay` (layers of trees) -> `decode` (typed settings) -> `check` (rules between keys) ->
//! `resolve` (decisions).

mod absent;
pub mod check;
pub mod codes;
pub mod decode;
pub mod defaults;
pub mod diagnostic;
pub mod env_credential;
pub mod explain;
pub mod key_names;
mod key_types;
mod known_words;
mod load;
mod locked;
pub mod logs;
pub mod masking;
pub mod mode_text;
pub mod node;
pub mod overlay;
pub mod parse;
pub mod placement;
pub mod removed;
pub mod reserved;
pub mod resolve;
pub mod schema;
mod secret_values;
pub mod secrets;
pub mod settings;
mod sorted_lines;
pub mod sources;
pub mod suggest;
mod unshown;
pub mod variables;
pub mod workload_image;

pub use load::{Loaded, load};
