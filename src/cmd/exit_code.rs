//! Exit codes, as `docs/format/exit-codes.md` has them.

use std::process::ExitCode;

use crate::failure::{Failure, FailureKind};

/// The answer is no, or two things differ.
pub const DIFFERS: u8 = 1;
/// The input is wrong: a profile, an argument.
pub const INPUT: u8 = 2;

/// What a command returns.
pub type Outcome = Result<ExitCode, Failure>;

impl FailureKind {
    /// Returns the exit code of such a failure.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Differs => DIFFERS,
            Self::Input => INPUT,
            Self::Untrusted => 3,
            Self::World => 4,
            // 128 and the number of SIGINT, as shells have it.
            Self::Interrupted => 130,
            Self::Bug => 101,
        }
    }
}

impl From<FailureKind> for ExitCode {
    fn from(kind: FailureKind) -> Self {
        Self::from(kind.exit_code())
    }
}
