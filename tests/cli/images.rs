use crate::env::TestEnv;

#[test]
fn the_images_of_a_profile_are_those_of_its_bundle_sorted_and_each_once() {
    let env = TestEnv::new();
    env.build(&["web", "--archive", "web.tar"]);

    let of_profile = env.ok(&["images", "web"]);
    let report = env.run(&["images", "web.tar", "--json"]).json();

    let lines: Vec<&str> = of_profile.lines().collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(lines, sorted);
    assert!(lines.iter().any(|line| line.starts_with("docker.io/redis:8.2.2@sha256:")), "{of_profile}");
    assert_eq!(report["schema"], "relay-bundle/images/v1");
    let of_bundle: Vec<&str> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["reference"].as_str().unwrap())
        .collect();
    assert_eq!(of_bundle, lines);
    assert_eq!(report["images"][0]["containers"][0], "relay-redis/redis");
}
