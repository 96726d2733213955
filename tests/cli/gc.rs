use crate::env::TestEnv;

#[test]
fn gc_removes_only_unlinked_entries_and_dry_run_nothing() {
    let env = TestEnv::new();
    let old = env.build(&["web"]);
    let new = env.build(&["web", "--set", "replicaCount=2"]);

    let dry = env.run(&["gc", "--dry-run", "--json"]);
    assert!(old.is_dir());
    let wet = env.run(&["gc"]);
    let again = env.run(&["gc", "--json"]).json();

    let report = dry.json();
    assert_eq!(report["schema"], "relay-bundle/gc/v1");
    assert_eq!(report["removed"], false);
    assert_eq!(report["entries"][0]["name"], old.file_name().unwrap());
    assert!(report["bytes"].as_u64().unwrap() > 10_000, "{report}");
    assert_eq!((wet.code, wet.stdout.trim()), (0, old.file_name().unwrap()));
    assert!(wet.stderr.starts_with("freed "), "{}", wet.stderr);
    assert!(!old.exists() && new.is_dir());
    assert_eq!((&again["entries"], &again["bytes"]), (&serde_json::json!([]), &0.into()));
}

#[test]
fn missing_store_has_no_garbage() {
    let ran = TestEnv::new().run(&["gc", "--store", "nowhere"]);

    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "freed 0 bytes: 0 bundles\n")
    );
}
