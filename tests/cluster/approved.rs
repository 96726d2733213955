//! Tests `--plan-hash`: exactly the approved plan is executed.

use serde_json::Value;

use crate::site::Site;

fn hash(site: &Site, arguments: &[&str]) -> String {
    let shown = site.call(&[arguments, &["--dry-run", "--json"]].concat());
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let report: Value = serde_json::from_str(&shown.stdout).unwrap();
    report["planHash"].as_str().unwrap().to_owned()
}

#[test]
fn approved_plan_is_executed_and_other_plan_is_shown() {
    let Some(site) = Site::new("approved") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let next = site.build("dev", &["config.logLevel=\"info\""]);
    let apply = ["apply", next.as_str(), "--trust", "trust.toml"];
    let approved = hash(&site, &apply);
    assert_eq!(hash(&site, &apply), approved, "the same plan has the same hash");

    // A field outside the plan does not matter, but a changed starting state of a planned change
    // does.
    let deployment = "deployment/relay-dev-claude-relay";
    site.plane.kubectl(&["-n", "approved", "annotate", deployment, "example.internal/note=x"]);
    assert_eq!(hash(&site, &apply), approved);
    site.plane.kubectl(&["-n", "approved", "delete", "service/relay-dev-redis"]);
    let before = site.versions();
    let with = |hash: &str| site.call(&[&apply[..], &["--plan-hash", hash]].concat());
    let ran = with(&approved);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("the plan differs from the approved one"), "{}", ran.stderr);
    assert!(ran.stdout.contains("create    Service/relay-dev-redis"), "{}", ran.stdout);
    assert_eq!(site.versions(), before);
    let ran = site.call(&[&apply[..], &["--plan-hash", "abc"]].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);

    // The hash is the consent, so the program does not ask.
    let ran = with(&hash(&site, &apply));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(site.head("relay-dev")["generations"][1]["state"], "deployed");
    let back = ["rollback", "-n", "approved", "--trust", "trust.toml"];
    let ran = site.call(&[&back[..], &["--plan-hash", &hash(&site, &back)]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(site.head("relay-dev")["generations"][2]["contentOf"], 1);
}
