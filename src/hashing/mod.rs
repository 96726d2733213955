//! Hashes large files on all cores, with memory use independent of their size.
//!
//! Large files whose content is not needed are hashed in parallel by a [`Crew`]; a file that is
//! copied or comes from a pipe is hashed on another thread while it is read ([`start`]). Small
//! files start no thread, and thread scheduling never changes a result.

mod aside;
mod crew;
mod file;
mod sizes;

pub use self::aside::start;
pub use self::crew::Crew;
pub use self::file::{FileContent, Stream};
