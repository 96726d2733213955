//! Recognises annotations with snippets of controller configuration, and redacts annotation values.

use super::credential::{
    REDACTED, credentials, holds_credential, may_assign_secret, resembles_secret, sounds_secret,
};

/// Returns whether a controller copies the annotation's value verbatim into its configuration.
pub fn is_snippet(annotation: &str) -> bool {
    let (prefix, name) = annotation.rsplit_once('/').unwrap_or_default();
    name.contains("snippet") || prefix.contains("haproxy") && name.starts_with("config-")
}

/// Returns the value without credentials. Redacts it completely if the key sounds secret, or if the
/// value may contain a credential without a recognisable shape; of a snippet, every directive is
/// shown, and of the address of a service, its host.
pub fn shown_value(annotation: &str, value: &str) -> String {
    if is_snippet(annotation) {
        return shown_snippet(annotation, value);
    }
    if let Some(shown) = shown_address(annotation, value) {
        return shown;
    }
    if sounds_secret(annotation) || may_assign_secret(value) {
        return REDACTED.to_owned();
    }
    let shown = without_credentials(value);
    if holds_credential(&shown) { REDACTED.to_owned() } else { shown }
}

/// Returns the snippet with the arguments of those directives redacted that may contain a credential.
///
/// The directives themselves stay: otherwise a word that sounds secret would hide the effect of the
/// snippet.
fn shown_snippet(annotation: &str, snippet: &str) -> String {
    let ends = if annotation.contains("haproxy") { "\n" } else { ";{}" };
    // A credential may extend over several directives.
    let hides_all = holds_credential(snippet);
    let shown = |directive: &str| {
        if hides_all || may_hold_secret(directive) || holds_credential(directive) {
            shown_directive(directive, ends)
        } else {
            directive.to_owned()
        }
    };
    directives(snippet, ends).map(shown).collect()
}

/// Splits a snippet after each directive, and after each comment before one. Characters in quotes
/// and comments end no directive.
fn directives<'a>(snippet: &'a str, ends: &'static str) -> impl Iterator<Item = &'a str> {
    let (mut quote, mut is_escaped, mut is_comment, mut before) = (None, false, false, ';');
    let mut has_begun = false;
    snippet.split_inclusive(move |c: char| {
        let is_start = before.is_whitespace() || ends.contains(before);
        before = c;
        if is_comment || quote.is_none() && c == '#' && is_start {
            is_comment = c != '\n';
            return !is_comment && !has_begun;
        }
        has_begun |= !c.is_whitespace();
        match quote {
            _ if is_escaped => is_escaped = false,
            _ if c == '\\' => is_escaped = true,
            Some(open) if open == c => quote = None,
            None if "\"'".contains(c) => quote = Some(c),
            None if ends.contains(c) => {
                has_begun = false;
                return true;
            }
            _ => {}
        }
        false
    })
}

/// Returns the name of a directive, with its arguments redacted.
fn shown_directive(directive: &str, ends: &str) -> String {
    let end = directive.chars().last().filter(|last| ends.contains(*last) || *last == '\n');
    let text = directive.strip_suffix(|c| Some(c) == end).unwrap_or(directive);
    let (indent, text) = text.split_at(text.len() - text.trim_start().len());
    let (name, arguments) = text.split_at(
        text.find(|c: char| c.is_whitespace() || "(\"'=:".contains(c)).unwrap_or(text.len()),
    );
    let end = end.map(String::from).unwrap_or_default();
    if name.starts_with('$') || is_random(name) {
        return format!("{indent}{REDACTED}{end}");
    }
    if arguments.trim().is_empty() {
        return directive.to_owned();
    }
    let space = if end == "{" || end == "}" { " " } else { "" };
    format!("{indent}{name} {REDACTED}{space}{end}")
}

/// Returns the address of a service that a controller calls, such as `auth-url`, without anything
/// that may be a credential.
fn shown_address(annotation: &str, value: &str) -> Option<String> {
    let name = annotation.rsplit('/').next()?;
    if !["-url", "-signin", "-uri"].iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let (scheme, rest) = value.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_plain = |text: &str| !text.contains(|c: char| c.is_whitespace() || "@\"'".contains(c));
    if !["http", "https"].contains(&scheme) || !is_plain(rest) || is_random(authority) {
        return None;
    }
    let is_open = path.find(['?', '#']).is_none() && !may_hold_secret(path);
    let path = if path.len() <= 1 || is_open { path.to_owned() } else { format!("/{REDACTED}") };
    Some(format!("{scheme}://{authority}{path}"))
}

/// Returns whether a snippet may contain a credential: a secret-sounding word or variable, or a
/// random-looking word.
fn may_hold_secret(snippet: &str) -> bool {
    let words = || snippet.split(|c: char| c.is_whitespace() || "\"';{}()".contains(c));
    sounds_secret(snippet)
        || words().any(|word| word.starts_with('$') && resembles_secret(word))
        || words().any(is_random)
}

/// Shorter words are numbers, sizes or addresses.
const RANDOM_BYTES_MIN: usize = 16;

fn is_random(word: &str) -> bool {
    let longest = word
        .split(|c: char| !c.is_ascii_alphanumeric() && !"+=_-".contains(c))
        .max_by_key(|part| part.len());
    longest.is_some_and(|part| {
        part.len() >= RANDOM_BYTES_MIN
            && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

fn without_credentials(text: &str) -> String {
    let (mut shown, mut at) = (String::new(), 0);
    for credential in credentials(text) {
        shown.push_str(&text[at..credential.start]);
        shown.push_str(REDACTED);
        at = credential.end;
    }
    shown + &text[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNIPPET: &str = "nginx.ingress.kubernetes.io/configuration-snippet";

    #[test]
    fn value_that_may_hold_credential_is_not_shown() {
        for (annotation, value) in [
            ("x.y/password", "sup3r"),
            ("vault.token", "sup3r"),
            ("x.y/config", "{\"password\":\"sup3r\"}"),
            ("x.y/config", "password=sup3r"),
        ] {
            assert_eq!(shown_value(annotation, value), REDACTED, "{annotation}: {value}");
        }
    }

    #[test]
    fn possible_credential_directive_is_shown_without_arguments() {
        for (snippet, shown) in [
            (
                "proxy_set_header Authorization \"Bearer Sup3rS3cretD\";",
                "proxy_set_header <redacted>;",
            ),
            ("set $password sup3r;", "set <redacted>;"),
            ("set $pass\n sup3r; return 200;", "set <redacted>; return 200;"),
            ("more_set_headers \"X-Api-Key: su;p3r\";", "more_set_headers <redacted>;"),
            ("more_set_headers 'X-Key: su\\'p;3r';", "more_set_headers <redacted>;"),
            ("proxy_set_header X-Key sup3r;", "proxy_set_header <redacted>;"),
            (
                "if ($arg_k != \"9f8a7b6c5d4e3f2a1b\") { return 403; }",
                "if <redacted> { return 403; }",
            ),
            ("set $a # }\n 9f8a7b6c5d4e3f2a1b;", "set <redacted>;"),
            ("9f8a7b6c5d4e3f2a1b", "<redacted>"),
            ("$http_token sup3r", "<redacted>"),
            ("# password sup3r\nreturn 200;", "# <redacted>\nreturn 200;"),
        ] {
            assert_eq!(shown_value(SNIPPET, snippet), shown, "{snippet}");
        }
        assert_eq!(
            shown_value(
                "haproxy-ingress.github.io/config-backend",
                "http-request set-header Authorization sup3r\nhttp-request lua.x"
            ),
            "http-request <redacted>\nhttp-request lua.x"
        );
    }

    #[test]
    fn snippet_cannot_be_hidden_behind_word_that_sounds_secret() {
        for snippet in [
            "content_by_lua_block { os.execute('x') } # header",
            "# header\ncontent_by_lua_block { os.execute('x') }",
            "content_by_lua_block { os.execute('header') }",
            "content_by_lua_block { --[[ header ]] os.execute('x') }",
            "content_by_lua_block { os.execute('x'); http://u; x:password@host }",
        ] {
            let shown = shown_value("nginx.ingress.kubernetes.io/auth-snippet", snippet);
            assert!(shown.contains("content_by_lua_block {"), "{shown}");
        }
    }

    #[test]
    fn address_is_shown_without_what_may_be_credential() {
        const URL: &str = "nginx.ingress.kubernetes.io/auth-url";
        for (value, shown) in [
            ("https://login.example/check", "https://login.example/check"),
            ("https://login.example/?k=sup3r", "https://login.example/<redacted>"),
            ("https://hooks.example/9f8a7b6c5d4e3f2a1b", "https://hooks.example/<redacted>"),
            ("https://hooks.example?sup3r", "https://hooks.example/<redacted>"),
            ("https://u:sup3r@login.example/", "<redacted>"),
            ("sup3r", "<redacted>"),
        ] {
            assert_eq!(shown_value(URL, value), shown, "{value}");
        }
    }

    #[test]
    fn value_without_credential_is_shown() {
        for (annotation, value) in [
            (SNIPPET, "return 200;"),
            (SNIPPET, "proxy_pass http://inner:8080/; proxy_read_timeout 600s;"),
            ("nginx.ingress.kubernetes.io/proxy-body-size", "100m"),
            ("external-dns.alpha.kubernetes.io/hostname", "relay.example.internal"),
        ] {
            assert_eq!(shown_value(annotation, value), value, "{annotation}");
        }
    }

    #[test]
    fn credential_within_value_is_cut_out() {
        assert_eq!(
            shown_value("x.y/at", "see http://user:s3cret@inner/ now"),
            "see <redacted> now"
        );
    }

    #[test]
    fn snippet_is_told_by_its_name() {
        for annotation in
            [SNIPPET, "nginx.org/location-snippets", "haproxy-ingress.github.io/config-backend"]
        {
            assert!(is_snippet(annotation), "{annotation}");
        }
        assert!(!is_snippet("nginx.ingress.kubernetes.io/proxy-body-size"));
    }
}
