//! Parses `WWW-Authenticate`, by which a registry asks for credentials.

use std::collections::BTreeMap;

use http::Uri;

use super::host::Wire;

/// A challenge in an answer with status 401.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer(TokenService),
}

/// A token service, and the requested scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenService {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    /// Separated by spaces; a mount has two scopes.
    pub(super) scope: Option<String>,
}

impl Challenge {
    /// Returns the challenge to answer among the header values; prefers `Bearer`.
    pub(super) fn choose<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut all: Vec<Self> = values.flat_map(parse).filter_map(Self::of).collect();
        let bearer = all.iter().position(|challenge| matches!(challenge, Self::Bearer(_)));
        (!all.is_empty()).then(|| all.swap_remove(bearer.unwrap_or(0)))
    }

    /// Returns whether the token service has no TLS, in which case it receives no credentials.
    pub(super) fn is_plain(&self) -> bool {
        let Self::Bearer(service) = self else { return false };
        service.realm.trim().parse().is_ok_and(|realm: Uri| Wire::of(&realm) == Some(Wire::Plain))
    }

    fn of(written: ChallengeText) -> Option<Self> {
        let ChallengeText { scheme, mut parameters } = written;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => Some(Self::Bearer(TokenService {
                realm: parameters.remove("realm")?,
                service: parameters.remove("service").filter(|service| !service.is_empty()),
                scope: parameters.remove("scope").filter(|scope| !scope.trim().is_empty()),
            })),
            _ => None,
        }
    }
}

/// A challenge of any scheme, with lower-case parameter names.
#[derive(Default)]
struct ChallengeText {
    scheme: String,
    parameters: BTreeMap<String, String>,
}

/// Parses a header value up to the first syntax error.
fn parse(text: &str) -> Vec<ChallengeText> {
    let mut challenges: Vec<ChallengeText> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((word, behind)) = split_word(rest) else { return challenges };
        // A parameter name is followed by `=`, a scheme is not.
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            challenges.push(ChallengeText { scheme: word.to_owned(), ..ChallengeText::default() });
            rest = behind;
            continue;
        };
        let Some((value, behind)) = split_value(value.trim_start()) else { return challenges };
        let Some(challenge) = challenges.last_mut() else { return challenges };
        challenge.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
        rest = behind;
    }
}

fn split_word(text: &str) -> Option<(&str, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Splits off a word or a quoted string.
fn split_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return split_word(text).map(|(word, rest)| (word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(values: &[&str]) -> Option<Challenge> {
        Challenge::choose(values.iter().copied())
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let (service, scope) = (service.map(str::to_owned), scope.map(str::to_owned));
        Challenge::Bearer(TokenService { realm: realm.to_owned(), service, scope })
    }

    #[test]
    fn challenge_keeps_commas_blanks_and_escapes_in_quotes() {
        let value = r#"Bearer realm="https://a.example/token",service="a\"b",scope="repository:a/b:pull,push repository:c:pull""#;
        let scope = Some("repository:a/b:pull,push repository:c:pull");
        assert_eq!(chosen(&[value]), Some(bearer("https://a.example/token", Some("a\"b"), scope)));
        assert_eq!(chosen(&["bearer  Realm = x/y , scope=\"\""]), Some(bearer("x/y", None, None)));
    }

    #[test]
    fn bearer_wins_over_basic_in_one_header_or_two() {
        let wanted = || Some(bearer("https://a", None, None));
        assert_eq!(chosen(&["Basic realm=\"x\", Bearer realm=\"https://a\""]), wanted());
        assert_eq!(chosen(&["Basic realm=\"x\"", "Bearer realm=\"https://a\""]), wanted());
        assert_eq!(chosen(&["Negotiate abc==", "Basic"]), Some(Challenge::Basic));
    }

    #[test]
    fn challenge_that_is_broken_or_unknown_is_not_answered() {
        for value in [
            "",
            "Negotiate",
            "Bearer",
            "Bearer realm=\"https://a",
            "=",
            "realm=x",
            "Bearer service=x",
            "\u{e9}",
        ] {
            assert_eq!(chosen(&[value]), None, "{value}");
        }
    }
}
