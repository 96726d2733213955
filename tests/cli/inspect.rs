use crate::env::TestEnv;

#[test]
fn a_page_tells_what_a_bundle_is_holds_wants_and_consumes() {
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
fn an_attestation_is_told_and_called_unverified() {
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
fn what_lowers_the_fence_is_told() {
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
