//! `--archive`: a path that cannot be written is refused before the build.

use crate::env::TestEnv;

#[test]
fn missing_folder_is_reported_before_store_is_touched() {
    let env = TestEnv::new();

    let ran = env.run(&["build", "web", "--archive", "no/such/x.tar"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("folder `no/such` does not exist"), "{}", ran.stderr);
    assert!(!env.path().join("bundles").exists());
}

#[test]
fn archive_to_stdout_is_refused() {
    let env = TestEnv::new();

    let ran = env.run(&["build", "web", "--archive", "-"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--archive web.tar"), "{}", ran.stderr);
    assert!(!env.path().join("-").exists() && !env.path().join("bundles").exists());
}
