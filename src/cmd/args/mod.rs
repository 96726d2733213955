//! Options that several commands share.

pub mod bundle;
pub mod change;
pub mod cluster;
mod color;
pub mod identity;
pub mod installation;
pub mod key;
pub mod registry;
pub mod source;
pub mod state;
pub mod target;
pub mod terms;
pub mod trust;
