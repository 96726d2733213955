//! The user interface: stdout carries data, stderr carries messages.

pub mod age_keys_view;
pub mod diagnostic;
pub mod diff_view;
pub mod escape;
pub mod images_view;
pub mod inspect_view;
pub mod live_view;
pub mod printer;
pub mod progress;
pub mod reach_view;
pub mod running_view;
mod style;
pub mod verify_view;
