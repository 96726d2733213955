use crate::env::TestEnv;

#[test]
fn page_shows_identity_content_requirements_and_usage() {
    let env = TestEnv::new();
    env.build(&["web", "--archive", "web.tar"]);

    let page = env.ok(&["inspect", "web.tar"]);

    let wanted = [
        "from        web.tar\n",
        "name        relay\n",
        "environment production\n",
        "signature   unsigned\n",
        "kubernetes  1.25 to ",
        "  Deployment/relay-claude-relay: restricted, no API token\n",
        "  no NetworkPolicies: any pod of the cluster may connect\n",
        "  no Secret of the bundle contains a value\n",
        "  Secret/relay-claude-relay-encryption-key: encryption-key (32 characters, generation 1)\n",
        "Required: must exist before apply\n  Namespace/relay\n",
        "      PersistentVolumeClaim/relay-redis-data\n",
    ];
    for part in wanted {
        assert!(page.contains(part), "{part}\nin\n{page}");
    }
}

#[test]
fn plain_name_means_file_unless_profile_has_it() {
    let env = TestEnv::new();
    env.build(&["web", "--archive", "archive.tar"]);
    fs_err::rename(env.path().join("archive.tar"), env.path().join("archive")).unwrap();
    for name in ["folder", "web"] {
        fs_err::rename(env.build(&["web"]), env.path().join(name)).unwrap();
    }

    for (name, from) in
        [("archive", "./archive"), ("folder", "./folder"), ("web", "profile profiles/web.toml")]
    {
        let report = env.run(&["inspect", name, "--json"]).json();
        assert_eq!(report["origin"], from);
    }
}

#[test]
fn attestation_is_reported_as_unverified() {
    let env = TestEnv::new();
    let entry = env.build(&["web"]);
    env.write(entry.join("attestation.dsse.json").as_str(), "{}");

    let (page, report) =
        (env.ok(&["inspect", "@web"]), env.run(&["inspect", "@web", "--json"]).json());

    assert!(
        page.contains("signature   it has an attestation, which was NOT verified here"),
        "{page}"
    );
    assert_eq!(report["schema"], "relay-bundle/inspect/v1");
    assert_eq!((&report["attested"], &report["verified"]), (&true.into(), &false.into()));
}

#[test]
fn weakened_security_is_reported() {
    let env = TestEnv::new();
    env.write_profile(
        "dev",
        "extends = [\"base\"]\nrelease.environment = \"dev\"\nconfig.jwtSecret = \"not-a-secret\"\nsecurityContext.readOnlyRootFilesystem = false\n",
    );

    let page = env.ok(&["inspect", "dev"]);

    assert!(
        page.contains("! secret values in the bundle: relay-claude-relay-literal/jwt-secret"),
        "{page}"
    );
    assert!(page.contains("claude-relay: its root file system is writable"), "{page}");
    assert!(page.contains("signature   none: the profile is not built"), "{page}");
    assert!(!page.contains("not-a-secret"), "{page}");
}
