//! Takes a Helm release over, and gives it back. `error`, `chart_key_error` and `helm_record_error`
//! have the reasons to refuse.

pub mod abandonment;
pub mod adoption;
pub mod adoption_run;
mod carried_values;
mod chart_key_error;
pub mod decision;
mod error;
pub mod forecast;
mod helm_record_error;
mod helm_record_pages;
pub mod helm_records;
pub mod preparation;
pub mod values;
