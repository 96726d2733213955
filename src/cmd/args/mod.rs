//! Options that several commands share.

pub mod change;
pub mod cluster;
pub mod identity;
pub mod installation;
pub mod key;
pub mod registry;
pub mod state;
pub mod target;
pub mod terms;
pub mod trust;
