//! What people see: stdout is data, stderr is talk.

pub mod diagnostic;
pub mod printer;
