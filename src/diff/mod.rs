//! Forecasts the effects of a change, as data. Nothing here acts or prints.

pub mod changes;
pub mod drift;
pub mod fields;
mod images;
mod immutable;
mod pairs;
pub mod path;
pub mod rebuild;
pub mod restart;
pub mod running;
mod settings;
pub mod version_bump;
pub mod warning;
