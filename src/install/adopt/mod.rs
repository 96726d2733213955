//! Takes a Helm release over, and gives it back.

pub mod abandon;
pub mod decide;
pub mod forecast;
pub mod helm_records;
pub mod prepare;
pub mod values;
pub mod work;
