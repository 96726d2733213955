//! The direction of dependencies: which folder may use which, and which crate is imported where.

#![expect(clippy::unwrap_used, reason = "in a test an unmet expectation is the failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use walkdir::WalkDir;

/// The modules that each module of the core may use, from the vocabulary up; no others are allowed.
const CORE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("canonical", &["model"]),
    ("fluent_bit", &["model"]),
    ("age_file", &["model"]),
    ("images", &["model", "canonical"]),
    ("proxy", &[]),
    ("profile", &["model", "fluent_bit", "age_file", "images"]),
    ("render", &["model", "canonical", "fluent_bit", "profile"]),
    ("bundle", &["model", "canonical", "age_file", "images", "profile", "render"]),
    ("trust", &["model", "canonical", "bundle"]),
    ("diff", &["model", "images", "render", "bundle"]),
    ("rollout", &["model", "canonical", "images", "render", "bundle", "trust", "diff"]),
    ("helm", &["model", "fluent_bit", "profile", "render"]),
];

/// The edges, which touch files, the network, programs or the terminal.
const EDGES: &[(&str, &[&str])] = &[
    ("fsio", &[]),
    ("sealed", &["model", "age_file"]),
    ("hashing", &["model", "bundle"]),
    ("store", &["model", "images", "bundle", "fsio", "hashing"]),
    ("state_file", &["model", "canonical", "trust", "fsio"]),
    ("ui", &["model", "images", "profile", "render", "bundle", "trust", "diff", "rollout", "helm"]),
    ("command", &[]),
    ("tls_error", &[]),
    ("failure", &["model", "bundle", "trust", "fsio", "store", "state_file"]),
    ("keyring", &["model", "trust", "fsio", "sealed", "failure"]),
    ("sealing", &["model", "age_file", "profile", "bundle", "fsio", "sealed", "failure"]),
    ("profile_folder", &["model", "images", "profile", "fsio", "failure"]),
    ("media", &["model", "images", "bundle", "trust", "fsio", "hashing", "store", "failure"]),
    ("signing", &["model", "bundle", "trust", "fsio", "store", "failure", "media"]),
    ("cluster", &["model", "proxy", "fsio", "command", "tls_error", "failure"]),
    ("registry", &["model", "images", "proxy", "fsio", "command", "tls_error", "failure"]),
];

/// The modules that `transfer` may use.
const TRANSFER: &[&str] = &[
    "model",
    "images",
    "profile",
    "render",
    "bundle",
    "trust",
    "rollout",
    "fsio",
    "store",
    "failure",
    "profile_folder",
    "media",
    "registry",
];

/// The modules that `build` may use.
const BUILD: &[&str] = &[
    "model", "images", "profile", "render", "bundle", "rollout", "fsio", "store", "failure",
    "media", "signing", "transfer",
];

/// The modules that the engine may use: neither `registry` nor the modules of the command line.
const ENGINE: &[&str] = &[
    "model",
    "age_file",
    "images",
    "bundle",
    "trust",
    "render",
    "diff",
    "rollout",
    "helm",
    "fsio",
    "sealed",
    "state_file",
    "ui",
    "failure",
    "media",
    "cluster",
];

/// Returns the modules that each module of `src/` may use; the commands may use all.
fn matrix() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let lists =
        CORE.iter().chain(EDGES).map(|(module, used)| (*module, used.iter().copied().collect()));
    let mut matrix: BTreeMap<_, BTreeSet<_>> = lists.collect();
    matrix.insert("transfer", TRANSFER.iter().copied().collect());
    matrix.insert("build", BUILD.iter().copied().collect());
    matrix.insert("install", ENGINE.iter().copied().collect());
    matrix.insert("cmd", matrix.keys().copied().collect());
    matrix.insert("lib", BTreeSet::new());
    matrix
}

/// The folders that may name each crate.
const CRATES: &[(&str, &[&str])] = &[
    ("age", &["sealed"]),
    ("age_core", &["sealed"]),
    ("anstream", &["ui"]),
    ("anstyle", &["ui"]),
    (
        "base64",
        &["age_file", "images", "trust", "rollout", "helm", "sealed", "cluster", "registry"],
    ),
    ("bytes", &["cluster"]),
    ("ed25519_dalek", &["trust"]),
    ("flate2", &["rollout", "helm"]),
    ("getrandom", &["cmd"]),
    ("http", &["proxy", "cluster", "registry"]),
    ("http_body_util", &["cluster"]),
    ("hyper", &["cluster"]),
    ("hyper_rustls", &["cluster"]),
    ("hyper_timeout", &["cluster"]),
    ("hyper_util", &["cluster"]),
    ("jiff", &["model"]),
    ("pkcs8", &["trust"]),
    ("rpassword", &["cmd"]),
    ("rustix", &["fsio", "command", "cmd"]),
    ("rustls", &["tls_error", "cluster", "registry"]),
    ("secrecy", &["cluster"]),
    ("annotate_snippets", &["ui"]),
    ("clap", &["cmd"]),
    ("clap_complete", &["cmd"]),
    ("clap_mangen", &["cmd"]),
    (
        "fs_err",
        &[
            "fsio",
            "hashing",
            "sealing",
            "keyring",
            "media",
            "store",
            "signing",
            "build",
            "install",
            "cmd",
            "state_file",
        ],
    ),
    // The engine talks to the cluster in JSON and verified bytes; only one folder knows the client.
    ("kube", &["cluster"]),
    ("tokio", &["cluster"]),
    ("tower", &["cluster"]),
    ("k8s_openapi", &["profile", "render"]),
    ("schemars", &["model", "profile"]),
    // `render` writes YAML; `profile` reads the values of a Helm chart, and `helm` its rendered
    // manifests; `cluster` tells mistakes in a kubeconfig apart.
    ("serde_saphyr", &["render", "profile", "helm", "cluster"]),
    ("sha2", &["model"]),
    ("similar", &["diff", "ui"]),
    ("strsim", &["profile", "fluent_bit"]),
    ("tempfile", &["fsio", "store", "build"]),
    ("toml", &["images", "profile", "trust"]),
    // Like `kube` for clusters.
    ("ureq", &["registry"]),
    ("walkdir", &["store", "media"]),
    (
        "zeroize",
        &[
            "model", "fsio", "sealed", "trust", "helm", "proxy", "command", "cluster", "install",
            "registry", "cmd", "keyring",
        ],
    ),
];

/// Paths that the core must not name.
const IMPURE: [&str; 14] = [
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "getrandom",
    "rpassword",
    "println!",
    "HashMap",
    // A grouped import would hide the names above.
    "std::{",
];

/// Returns the source files by module, without comments and test-only items.
fn sources() -> &'static BTreeMap<String, Vec<(String, String)>> {
    static SOURCES: LazyLock<BTreeMap<String, Vec<(String, String)>>> = LazyLock::new(read_sources);
    &SOURCES
}

fn read_sources() -> BTreeMap<String, Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let files = WalkDir::new(&root).sort_by_file_name().into_iter().map(Result::unwrap);
    for file in
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rs"))
    {
        let path = file.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if path == "main.rs" || path.contains("tests") {
            continue;
        }
        let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs_err::read_to_string(file.path()).unwrap();
        sources.entry(module).or_default().push((path, shipped_code(&text)));
    }
    sources
}

/// Returns the compiled code without comments; paths and macros have no spaces.
fn shipped_code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: TokenStream = lines.collect::<Vec<_>>().join("\n").parse().unwrap();
    without_tests(code).to_string().replace(" :: ", "::").replace(" !", "!")
}

/// Drops the items below `#[cfg(test)]`, at every depth.
fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut is_in_test = false;
    for token in tokens {
        if is_in_test {
            is_in_test = !ends_item(&token);
        } else if let TokenTree::Group(group) = token {
            is_in_test = ["cfg (test)", "cfg(test)"].contains(&&*group.stream().to_string());
            let inner = Group::new(group.delimiter(), without_tests(group.stream()));
            kept.push(inner.into());
        } else {
            kept.push(token);
        }
    }
    kept.into_iter().collect()
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    }
}

#[test]
fn import_after_test_item_is_detected() {
    let text = "
        //! crate::one
        #[cfg(test)]
        #[allow(unused, reason = \"x\")]
        mod tests_support;
        #[cfg(test)]
        pub fn f<T>() -> [u8; 2] where T: Sized { crate::two::f() }
        /// crate::three
        use crate::four;
        mod inner {
            #[cfg(test)]
            use crate::five::{a, b};
            #[cfg(feature = \"x\")]
            fn g() { crate::six::f(); println!(\"\") }
        }
        #[cfg(test)]
        mod tests { use crate::seven; }
        use crate::eight;
        use crate::{nine::{a, b}, ten, eleven::c};";

    let code = shipped_code(text);

    let used: Vec<&str> = words_after(&code, "crate::").collect();
    assert_eq!(used, ["four", "six", "eight", "nine", "ten", "eleven"], "{code}");
    assert!(code.contains("println!"), "{code}");
}

/// Returns the words that follow `prefix` in a text, those of a group (`prefix::{a, b}`) each.
fn words_after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(prefix).flat_map(move |(at, _)| {
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => first_words(group),
            None => vec![word(rest)],
        }
    })
}

/// Returns the first word of each item of a group.
fn first_words(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut words = vec![word(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => words.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    words
}

/// Returns the word at the start of a text.
fn word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())]
}

#[test]
fn module_uses_only_modules_below_it() {
    let matrix = matrix();
    let mut wrong = Vec::new();
    for (module, files) in sources() {
        let allowed = matrix
            .get(module.as_str())
            .unwrap_or_else(|| panic!("`{module}` has no line in the matrix"));
        for (path, code) in files {
            let used: BTreeSet<&str> =
                words_after(code, "crate::").filter(|used| matrix.contains_key(used)).collect();
            let beyond = used.into_iter().filter(|used| *used != module && !allowed.contains(used));
            wrong.extend(beyond.map(|used| format!("{path} uses {used}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crate_is_imported_only_where_it_belongs() {
    let mut wrong = Vec::new();
    for (module, files) in sources() {
        for (path, code) in files {
            for (name, homes) in
                CRATES.iter().filter(|(_, homes)| !homes.contains(&module.as_str()))
            {
                let named = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                    !code[..at]
                        .ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                });
                if named {
                    wrong.push(format!("{path} names {name}, which belongs in {homes:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn core_touches_neither_disk_nor_clock_nor_environment() {
    let mut wrong = Vec::new();
    let sources = sources();
    for (module, _) in CORE {
        for (path, code) in &sources[*module] {
            let named = IMPURE.iter().filter(|impure| code.contains(*impure));
            wrong.extend(named.map(|impure| format!("{path} names {impure}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn commands_do_not_use_each_other() {
    let commands: BTreeSet<String> = sources()["cmd"]
        .iter()
        .filter(|(_, code)| code.contains("pub struct Args"))
        .map(|(path, _)| {
            path.trim_start_matches("cmd/")
                .trim_end_matches(".rs")
                .trim_end_matches("/mod")
                .to_owned()
        })
        .collect();
    let mut wrong = Vec::new();
    for (path, code) in &sources()["cmd"] {
        let place =
            path.trim_start_matches("cmd/").trim_end_matches(".rs").trim_end_matches("/mod");
        let up = "super::".repeat(place.split('/').count());
        let named =
            [up.as_str(), "crate::cmd::"].into_iter().flat_map(|prefix| words_after(code, prefix));
        let own = place.split('/').next().unwrap();
        let used = named
            .filter(|used| commands.contains(*used) && *used != own && path != "cmd/commands.rs");
        wrong.extend(used.map(|used| format!("{path} uses the command {used}")));
    }
    assert!(commands.contains("apply") && commands.contains("secrets"), "{commands:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
