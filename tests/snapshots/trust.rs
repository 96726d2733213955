//! `trust`: writes, checks and shows a policy.

use crate::scene;
use crate::transcript::Transcript;

const GRANT: &str = "trust add grant trust.toml --bundle relay --profile web --environment production --namespace relay";

#[test]
fn policies_are_as_saved() {
    let home = scene::builder();
    let mut seen = Transcript::new(&home);
    seen.run("trust init --site plant-7 --max-age-days 180");
    seen.run("trust init --out other.toml --json");
    seen.run("trust check trust.toml");
    seen.run("trust show trust.toml");
    seen.run("trust add key trust.toml --key signing.pub.pem --holder build-desk");
    seen.run("trust add key trust.toml --key stranger.pub.pem --holder approver --status retired --not-after 2015-01-02T03:04:05Z --json");
    seen.run(&format!("{GRANT} --key build-desk"));
    seen.run(&format!("{GRANT} --key build-desk --key approver --threshold 2 --json"));
    let content = "0123456789abcdef".repeat(4);
    seen.run(&format!("trust add revoked-content trust.toml --content-id sha256:{content}"));
    seen.run("trust check trust.toml");
    seen.run("trust check trust.toml --json");
    seen.run("trust check trust.toml --deny-warnings");
    seen.run("trust show trust.toml");
    seen.run("trust show trust.toml --json");
    seen.snapshot("trust");
}

#[test]
fn mistakes_with_trust_are_as_saved() {
    let home = scene::builder();
    home.write("broken.toml", "schema = \"relay-bundle/trust/v1\"\n[[key]\n");
    home.write("empty.toml", "");
    let mut seen = Transcript::new(&home);
    seen.run("trust init --quiet");
    seen.run("trust add key trust.toml --key signing.pub.pem --holder build-desk --quiet");
    for line in [
        "trust init",
        "trust init --out nowhere/trust.toml",
        "trust init --out x.toml --site \"plant 7\"",
        "trust init --out x.toml --cluster-uid 7",
        "trust init --out x.toml --max-age-days 0",
        "trust add key trust.toml",
        "trust add key nosuch.toml --key signing.pub.pem --holder x",
        "trust add key broken.toml --key signing.pub.pem --holder x",
        "trust add key empty.toml --key signing.pub.pem --holder x",
        "trust add key trust.toml --key signing.pub.pem --holder build-desk",
        "trust add key trust.toml --key signing.pem --holder x",
        "trust add key trust.toml --key nosuch.pem --holder x",
        "trust add key trust.toml --key MCow --holder x",
        "trust add key trust.toml --key stranger.pub.pem --holder \"\"",
        "trust add key trust.toml --key stranger.pub.pem --holder x --status lost",
        "trust add grant trust.toml",
        "trust add revoked-content trust.toml --content-id x",
        "trust check",
        "trust check nosuch.toml",
        "trust check broken.toml",
        "trust check signing.pub.pem",
        "trust show empty.toml",
        "trust show broken.toml --json",
    ] {
        seen.run(line);
    }
    seen.run(&format!("{GRANT} --key nobody"));
    seen.run(&format!("{GRANT} --key build-desk --threshold 2"));
    seen.run(&format!("{GRANT} --key build-desk --threshold 0"));
    seen.snapshot("trust_mistakes");
}
