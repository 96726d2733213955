//! Formats command lines for messages, quoted so that they can be pasted into a shell.

/// Returns a command line of this program, with its words quoted for a shell where necessary.
pub fn command_line<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    line("relay-bundle", words)
}

/// Returns a kubectl command line; see [`command_line`].
pub fn kubectl_line<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    line("kubectl", words)
}

/// Returns options for a command line, quoted for a shell where necessary.
pub fn options<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
    words.join(" ")
}

fn line<S: AsRef<str>>(program: &str, words: impl IntoIterator<Item = S>) -> String {
    words
        .into_iter()
        .fold(program.to_owned(), |line, word| format!("{line} {}", quoted(word.as_ref())))
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_shell_would_split_or_expand_are_quoted() {
        let words =
            ["rollback", "--trust", "my trust.toml", "--context", "a@b:6443", "it's", "", "$x"];
        let wanted =
            r"relay-bundle rollback --trust 'my trust.toml' --context a@b:6443 'it'\''s' '' '$x'";
        assert_eq!(command_line(words), wanted);

        let words = ["delete", "configmap", "-l", "a=b,c in (d, e)"];
        assert_eq!(kubectl_line(words), "kubectl delete configmap -l 'a=b,c in (d, e)'");
    }
}
