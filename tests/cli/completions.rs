use crate::env::TestEnv;

#[test]
fn every_shell_gets_its_script() {
    let env = TestEnv::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(env.ok(&["completions", shell]).contains("relay-bundle"), "{shell}");
    }
    assert_eq!(env.run(&["completions", "cmd"]).code, 2);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let env = TestEnv::new();

    assert!(env.ok(&["man"]).contains(".TH relay-bundle 1"));
    assert!(env.ok(&["man", "diff"]).contains("which pods restart"));
    env.ok(&["man", "--out", "man"]);

    for page in ["relay-bundle.1", "relay-bundle-build.1", "relay-bundle-diff.1", "relay-bundle-gc.1"] {
        assert!(env.path().join("man").join(page).is_file(), "{page}");
    }
    assert_eq!(env.run(&["man", "nothing"]).code, 2);
}
