use crate::env::TestEnv;

#[test]
fn every_shell_has_completion_script() {
    let env = TestEnv::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(env.ok(&["completions", shell]).contains("relay-bundle"), "{shell}");
    }
    assert_eq!(env.run(&["completions", "cmd"]).code, 2);
}

#[test]
fn each_command_has_manual_page() {
    let env = TestEnv::new();

    assert!(env.ok(&["man"]).contains(".TH relay-bundle 1"));
    assert!(env.ok(&["man", "diff"]).contains("which pods restart"));
    env.ok(&["man", "--out", "man"]);

    for page in
        ["relay-bundle.1", "relay-bundle-build.1", "relay-bundle-diff.1", "relay-bundle-gc.1"]
    {
        assert!(env.path().join("man").join(page).is_file(), "{page}");
    }
    assert_eq!(env.run(&["man", "nothing"]).code, 2);
}

#[test]
fn nested_commands_have_pages_with_titles_of_their_own() {
    let env = TestEnv::new();

    let page = env.ok(&["man", "trust", "add"]);
    env.ok(&["man", "--out", "man"]);

    let title =
        format!(".TH relay-bundle-trust-add 1  \"relay-bundle {}\"", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(&title), "{page}");
    assert!(
        page.contains("\n.SH NOTES\nAppends the new entry") && page.contains("\n.SH EXAMPLES\n"),
        "{page}"
    );
    assert!(!page.contains("EXTRA") && !page.contains("Examples:"), "{page}");
    for page in ["trust-add", "trust-add-grant", "state-reset", "import-helm"] {
        assert!(env.path().join(format!("man/relay-bundle-{page}.1")).is_file(), "{page}");
    }
    let unknown = env.run(&["man", "trust", "nothing"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains(
        "unknown command `trust nothing`\nhint: known commands: init, add, check, show\n"
    ));
}
