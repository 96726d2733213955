//! `import helm`: messages about missing values, and about a profile that does not build yet.

use crate::env::{Ran, TestEnv};

fn import(env: &TestEnv, values: &str) -> Ran {
    fs_err::write(env.path().join("values.yaml"), values).unwrap();
    env.run(&["import", "helm", "values.yaml"])
}

#[test]
fn empty_values_fail_and_explain_null_from_helm() {
    let ran = import(&TestEnv::new(), "");

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("the values are empty"), "{}", ran.stderr);
    assert!(ran.stderr.contains("prints `null`"), "{}", ran.stderr);
}

#[test]
fn profile_needing_corrections_is_printed_with_findings() {
    let ran = import(&TestEnv::new(), "redis: {enabled: false}\n");

    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("[redis]"), "{}", ran.stdout);
    assert!(ran.stderr.contains("error[RB"), "{}", ran.stderr);
    assert!(ran.stderr.contains("before it can be built"), "{}", ran.stderr);
}

#[test]
fn buildable_profile_is_printed_without_findings() {
    let ran = import(&TestEnv::new(), "replicaCount: 1\n");

    assert_eq!(ran.code, 0);
    assert!(
        !ran.stderr.contains("RB0") && !ran.stderr.contains("before it can be built"),
        "{}",
        ran.stderr
    );
}
