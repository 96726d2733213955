use crate::env::TestEnv;

#[test]
fn images_are_sorted_and_unique() {
    let env = TestEnv::new();
    env.build(&["web", "--archive", "web.tar"]);

    let of_profile = env.ok(&["images", "web"]);
    let report = env.run(&["images", "web.tar", "--json"]).json();

    let lines: Vec<&str> = of_profile.lines().collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(lines, sorted);
    assert!(
        lines.iter().any(|line| line.starts_with("docker.io/redis:8.2.2@sha256:")),
        "{of_profile}"
    );
    assert_eq!(report["schema"], "relay-bundle/images/v1");
    let of_bundle: Vec<&str> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["reference"].as_str().unwrap())
        .collect();
    assert_eq!(of_bundle, lines);
    assert_eq!(report["images"][1]["containers"][0], "relay-redis/redis");
}

#[test]
fn mirror_lists_images_of_own_containers_and_volumes() {
    let env = TestEnv::new();
    env.write_profile(
        "gap",
        "kubernetes.version = \"1.37\"\nimages.registry = \"r.example.internal:5000/m\"\nstorage.logs.mode = \"emptyDir\"\nredis.image.digest = \"\"\n\
         [[extraContainers]]\nname = \"proxy\"\nimage = \"ghcr.io/acme/proxy:1\"\n\
         [[extraVolumes]]\nname = \"models\"\nimage = { reference = \"ghcr.io/acme/models:1\" }\n\
         [[extraVolumeMounts]]\nname = \"models\"\nmountPath = \"/app/models\"\nreadOnly = true\n",
    );

    let copies = env.ok(&["images", "gap", "--mirror"]);
    let images = env.ok(&["images", "gap"]);

    let wanted = [
        "docker.io/redis:8.2.2 r.example.internal:5000/m/redis:8.2.2",
        "ghcr.io/acme/models:1 r.example.internal:5000/m/acme/models:1",
        "ghcr.io/acme/proxy:1 r.example.internal:5000/m/acme/proxy:1",
        "ghcr.io/wei-shaw/claude-relay-service:v1.1.314 r.example.internal:5000/m/wei-shaw/claude-relay-service:v1.1.314",
    ];
    assert_eq!(copies.lines().collect::<Vec<_>>(), wanted);
    env.build(&["gap", "--archive", "gap.tar"]);
    for bundle in ["gap.tar", "@gap"] {
        assert_eq!(env.ok(&["images", bundle, "--mirror"]), copies);
    }
    let pulled: Vec<&str> = copies.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let mut listed: Vec<&str> = images.lines().collect();
    listed.sort_by_key(|image| pulled.iter().position(|pulled| pulled == image));
    assert_eq!(listed, pulled);
    let report = env.run(&["images", "gap.tar", "--json"]).json();
    assert_eq!(report["images"][0]["containers"][0], "claude-relay/volume:models");
    let rendered = env.ok(&["render", "gap"]);
    assert!(rendered.contains("reference: r.example.internal:5000/m/acme/models:1"), "{rendered}");
}

#[test]
fn image_with_digest_is_copied_by_digest_and_gets_tag() {
    let env = TestEnv::new();
    let digest = format!("sha256:{}", "a".repeat(64));
    env.write_profile(
        "gap",
        &format!("images.registry = \"r.example.internal:5000\"\nimage.digest = \"{digest}\"\n"),
    );

    let copies = env.ok(&["images", "gap", "--mirror"]);

    let wanted = format!(
        "ghcr.io/wei-shaw/claude-relay-service@{digest} r.example.internal:5000/wei-shaw/claude-relay-service:v1.1.314"
    );
    assert!(copies.lines().any(|line| line == wanted), "{copies}");
}
