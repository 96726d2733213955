//! The binary: a thin wrapper around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    relay_bundle::cmd::main()
}
