//! Reads the value of a secret: not from arguments or variables, which other processes can see.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;

use camino::Utf8Path;
use zeroize::Zeroizing;

use crate::age_file::VALUE_BYTES_MAX;
use crate::failure::Failure;
use crate::keyring;
use crate::sealed::SecretBytes;

/// Reads a value from a file, from stdin (`-`), or from the terminal without echo.
pub(super) fn read(from: Option<&Utf8Path>, key: &str) -> Result<SecretBytes, Failure> {
    // Two more bytes for the line ending.
    let limit = VALUE_BYTES_MAX as u64 + 2;
    let (line, origin) = match from.map(Utf8Path::as_str) {
        None => (ask(key)?, "the terminal"),
        Some("-") => (from_stdin(limit)?, "stdin"),
        Some(path) => (keyring::read_file_or_pipe(path.into(), limit)?, path),
    };
    SecretBytes::from_line(line).map_err(|error| {
        Failure::input(format!("`{origin}`: {error}"))
            .hint("a secret is one line of text; its line ending is ignored")
    })
}

fn from_stdin(limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::input("stdin is a terminal, which would show the value")
            .hint("omit --value-file to type it without echo"));
    }
    // Reads the descriptor itself, because the buffer of `Stdin` would keep a copy.
    let file = File::from(stdin.as_fd().try_clone_to_owned()?);
    keyring::read_opened(file, "stdin", limit)
}

/// Asks twice: the operator cannot see a typing mistake, and cannot check a sealed value later.
fn ask(key: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::input("cannot ask for the value without a terminal")
            .hint("pass it with --value-file FILE, or --value-file - for stdin"));
    }
    let prompt = |text: String| -> Result<_, Failure> {
        Ok(Zeroizing::new(rpassword::prompt_password(text)?.into_bytes()))
    };
    let first = prompt(format!("Value of {key}: "))?;
    let second = prompt("Repeat: ".to_owned())?;
    if first == second { Ok(first) } else { Err(Failure::input("the two values differ")) }
}
