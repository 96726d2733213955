//! Shows the age public keys of a bundle: the recipients of its sealed secrets, and of the values
//! that `apply` generates.

use std::io::{self, Write};

use super::escape::safe;
use crate::bundle::sealed::AgeKeys;
use crate::model::text::AgeRecipient;

/// Writes both lists, one key per line.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn write(keys: &AgeKeys, out: &mut dyn Write) -> io::Result<()> {
    list("sealed for", &keys.seal, out)?;
    list("recovery", &keys.recovery, out)
}

fn list(label: &str, keys: &[String], out: &mut dyn Write) -> io::Result<()> {
    if keys.is_empty() {
        return writeln!(out, "{label:<12}none");
    }
    for (index, key) in keys.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let is_example = key.parse::<AgeRecipient>().is_ok_and(|key| key.is_example());
        let note = if is_example { " (the example key of the shipped profiles)" } else { "" };
        writeln!(out, "{label:<12}{}{note}", safe(key))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_list_names_each_key_and_marks_example_key() {
        let own = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
        let example = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        let keys = AgeKeys { seal: Vec::new(), recovery: vec![own.to_owned(), example.to_owned()] };
        let mut out = Vec::new();

        write(&keys, &mut out).unwrap();

        let wanted = format!(
            "sealed for  none\nrecovery    {own}\n            {example} (the example key of the shipped profiles)\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
