//! Asks for passphrases on the terminal.

use std::io::{self, IsTerminal as _};

use camino::Utf8Path;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::keyring::signing_key::check_new;
use crate::trust::passphrase::Passphrase;

/// Asks on the terminal for the passphrase of a new key, twice.
///
/// # Errors
///
/// When stdin or stderr is not a terminal, the two answers differ, or the passphrase is too short.
pub(super) fn ask_for_new(path: &Utf8Path) -> Result<Passphrase, Failure> {
    let why = || "the new key needs one".to_owned();
    let first = ask(&format!("Passphrase for {path}: "), why)?;
    check_new(&first)?;
    let second = ask("Repeat: ", why)?;
    if first.is_same(&second) {
        Ok(first)
    } else {
        Err(Failure::input("the two passphrases differ"))
    }
}

/// Asks on the terminal without echo.
///
/// # Errors
///
/// When stdin or stderr is not a terminal.
pub(super) fn ask(prompt: &str, why: impl Fn() -> String) -> Result<Passphrase, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::input(format!(
            "cannot ask for a passphrase without a terminal: {}",
            why()
        ))
        .hint("pass the passphrase with --passphrase-file FILE or --passphrase-fd N"));
    }
    let line = Zeroizing::new(rpassword::prompt_password(prompt)?.into_bytes());
    Passphrase::from_line(&line).map_err(Failure::input)
}
