//! `--archive`: a path that cannot be written is refused before the build.

use crate::env::TestEnv;

#[test]
fn a_missing_folder_is_named_before_the_store_is_touched() {
    let env = TestEnv::new();

    let ran = env.run(&["build", "web", "--archive", "no/such/x.tar"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("folder `no/such` does not exist"), "{}", ran.stderr);
    assert!(!env.path().join("bundles").exists());
}

#[test]
fn stdout_is_not_a_file_for_an_archive() {
    let env = TestEnv::new();

    let ran = env.run(&["build", "web", "--archive", "-"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--archive web.tar"), "{}", ran.stderr);
    assert!(!env.path().join("-").exists() && !env.path().join("bundles").exists());
}
