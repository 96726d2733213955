//! Exit codes, as documented in `docs/format/exit-codes.md`.

use std::process::ExitCode;

use crate::failure::{Failure, FailureKind};

/// The answer is negative, or two things differ.
pub const DIFFERS: u8 = 1;
/// Wrong input: a profile, an argument.
pub const INPUT: u8 = 2;

/// The result of a command.
pub type Outcome = Result<ExitCode, Failure>;

impl FailureKind {
    /// Returns the exit code of this kind of failure.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Differs => DIFFERS,
            Self::Input => INPUT,
            Self::Untrusted => 3,
            Self::World => 4,
            // 128 plus the number of SIGINT, as in shells.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_documented_exit_code() {
        use FailureKind as F;
        let kinds = [F::Differs, F::Input, F::Untrusted, F::World, F::Bug, F::Interrupted];
        assert_eq!(kinds.map(F::exit_code), [1, 2, 3, 4, 101, 130]);
    }
}
