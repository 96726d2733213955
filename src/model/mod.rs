//! Vocabulary types that are validated once, on construction. Pure, no I/O.

mod age_recipient;
pub mod annotation;
pub mod causes;
pub mod command_line;
pub mod credential;
pub mod denial;
pub mod digest;
pub mod kind;
pub mod kube_version;
pub mod label;
pub mod nesting;
pub mod number;
pub mod object_key;
pub mod printable;
pub mod relabel;
pub mod restricted;
pub mod safe_path;
pub mod secret;
pub mod secret_value;
pub mod size;
pub mod text;
pub mod timestamp;
pub mod url;
pub mod words;
