use crate::env::TestEnv;

#[test]
fn update_that_swallows_profile_names_it_in_hint() {
    let env = TestEnv::new();

    let ran = env.run(&["lock", "--update", "web"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no listed profile has the image `web`"), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("hint: to update every image of the listed profiles: relay-bundle lock web --update"),
        "{}",
        ran.stderr
    );
}

#[test]
fn update_of_unknown_image_lists_images() {
    let env = TestEnv::new();

    let ran = env.run(&["lock", "web", "--update", "nothing"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no listed profile has the image `nothing`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the images are docker.io/"), "{}", ran.stderr);
}
