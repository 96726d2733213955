//! The binary: a thin shell around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    relay_bundle::cmd::main()
}
