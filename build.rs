//! Puts the functions that common commands run next to each other in a release.
//!
//! A command runs about 1,200 of 15,000 functions. Scattered over the program, they make the system
//! load three times the code that it needs.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// The names of the functions; `.ci/link-order` writes it.
const ORDER: &str = "link/order.txt";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let file = Path::new(&variable("CARGO_MANIFEST_DIR")).join(ORDER);
    let arguments = [
        format!("--symbol-ordering-file={}", file.display()),
        // Another compiler, or another version of a dependency, gives functions other names.
        "--no-warn-symbol-ordering".to_owned(),
    ];
    // `-Xlinker`, because `-Wl,` splits a path at commas.
    let arguments = arguments.into_iter().flat_map(|argument| ["-Xlinker".to_owned(), argument]);
    let arguments: Vec<String> = arguments.collect();
    if variable("PROFILE") == "release" && can_link(&arguments) {
        for argument in arguments {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}

/// Returns whether the linker takes these arguments. That of the official compiler for x86-64 Linux
/// does; others refuse them.
fn can_link(arguments: &[String]) -> bool {
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--crate-type=cdylib", "--crate-name=probe", "--target", &variable("TARGET")]);
    rustc.args(["--out-dir", &variable("OUT_DIR")]);
    rustc.args(variable("CARGO_ENCODED_RUSTFLAGS").split('\x1f').filter(|flag| !flag.is_empty()));
    let linker = variable("RUSTC_LINKER");
    rustc.args((!linker.is_empty()).then(|| format!("-Clinker={linker}")));
    rustc.args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    let output = rustc.arg("-").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

#[expect(clippy::disallowed_methods, reason = "cargo passes everything in the environment")]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
