//! Commands that read profiles without a build: `render`, `explain` and `schema`.

use crate::scene;
use crate::transcript::{Transcript, snapshot};

#[test]
fn render_is_as_saved() {
    let home = scene::profiles();
    home.write("file", "");
    let mut seen = Transcript::new(&home);
    seen.run_counted("render web");
    seen.run_counted("render web --json");
    seen.run_counted("render warned");
    seen.run("render web --out manifests");
    seen.run("render web --out manifests --set redis.enabled=false --set externalRedis.host=redis.example.com");
    seen.run("render web --out manifests --json");
    seen.run("render");
    seen.run("render wbe");
    seen.run("render web dev");
    seen.run("render typo");
    seen.run("render warned --deny-warnings");
    seen.run("render web --out file");
    seen.run("render web --out profiles");
    seen.snapshot("render");
}

#[test]
fn explanations_are_as_saved() {
    let lines = [
        "explain storage.logs.mode",
        "explain config.logLevel --json",
        "explain redis",
        "explain web config.logLevel",
        "explain web config.logLevel --json",
        "explain web redis.auth.enabled",
        "explain dev config.jwtSecret",
        "explain RB0002",
        "explain RB0002 --json",
        "explain TAMPERED",
        "explain TAMPERED --json",
        "explain reaches",
        "explain NO_GRANTS",
    ];
    snapshot("explain", &scene::profiles(), &lines);
}

#[test]
fn mistakes_with_explain_are_as_saved() {
    let lines = [
        "explain",
        "explain web",
        "explain logLevel",
        "explain config.logLevle",
        "explain config.logLevle --json",
        "explain RB9999",
        "explain RB2",
        "explain tampered",
        "explain wbe config.logLevel",
        "explain web config.logLevle",
        "explain typo config.logLevel",
        "explain web config.logLevel replicaCount",
    ];
    snapshot("explain_mistakes", &scene::profiles(), &lines);
}

#[test]
fn schema_is_as_saved() {
    let home = scene::profiles();
    let mut seen = Transcript::new(&home);
    seen.run_counted("schema");
    seen.run_counted("schema --reference");
    seen.run("schema web");
    seen.snapshot("schema");
}
