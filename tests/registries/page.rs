//! docs/images.md, run as it is written: all its blocks in one shell, against real registries and
//! containerd.
//!
//! The page names hosts; here they lead to this machine, in a network of their own:
//!
//! | on the page | here |
//! |---|---|
//! | `mirror.example.internal:5000` | a registry with TLS, at 127.0.0.2 |
//! | `registry.example.internal:5000` | another one, at 127.0.0.3 |
//! | `ca.crt` | an authority of the test, which skopeo finds in `certs.d` |
//! | `ghcr.io`, `docker.io`, `quay.io`, when skopeo asks | the mirror, by `registries.conf` |
//! | containerd on a node | one of the test, at `CONTAINERD_ADDRESS` |

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::oci::authority::Authority;
use crate::oci::containerd::Containerd;
use crate::oci::image::{Format, Image};
use crate::oci::is_root;
use crate::oci::registry::{Access, Program, Registry};
use crate::oci::skopeo::Skopeo;
use crate::tools::{find, skip};
use crate::workplace::{Ran, Workplace};

const MIRROR: &str = "mirror.example.internal:5000";
const SITE: &str = "registry.example.internal:5000";
const HOSTS: &str =
    "127.0.0.1 localhost\n127.0.0.2 mirror.example.internal\n127.0.0.3 registry.example.internal\n";
const SOURCES: [&str; 3] = ["ghcr.io", "docker.io", "quay.io"];

/// Starts the registries in the shell's network namespace, waits for them, and runs the page.
const STAGE: &str = "busybox ip link set lo up
mount --bind hosts /etc/hosts
\"$MIRROR\" serve mirror.yml 2>mirror.log >&2 &
\"$SITE\" serve site.yml 2>site.log >&2 &
for host in mirror registry; do
  curl -q --silent --show-error --cacert ca.crt --noproxy '*' --retry 100 --retry-connrefused --retry-delay 0 \\
    --retry-max-time 20 https://$host.example.internal:5000/v2/
done
exec bash -eux page.sh
";

/// An image of the profile: repository and tag at both registries, and its index.
struct Copied {
    repository: String,
    tag: String,
    image: Image,
}

/// The registries of the page, reached here without TLS.
struct Stage {
    mirror: Registry,
    site: Registry,
    containerd: Containerd,
    place: Workplace,
}

/// Returns all `sh` blocks of the page in order.
fn blocks(page: &str) -> String {
    let mut script = String::new();
    let mut in_block = false;
    for line in page.lines() {
        match line {
            "```sh" => in_block = true,
            "```" => in_block = false,
            _ if in_block => script.extend([line, "\n"]),
            _ => {}
        }
    }
    script
}

fn stage() -> Option<Stage> {
    let tools =
        [("unshare", "util-linux"), ("busybox", "busybox"), ("curl", "curl"), ("tar", "tar")];
    if !tools.into_iter().all(|(program, package)| find(program, package).is_some())
        || !is_root("docs/images.md")
    {
        return None;
    }
    let (_, containerd) = (Skopeo::find()?, Containerd::start()?);
    let isolated =
        Command::new("unshare").args(["--mount", "--net", "--pid", "--fork", "true"]).status();
    if !isolated.unwrap().success() {
        skip("unshare --mount --net --pid is not permitted");
        return None;
    }
    let mirror = Registry::start(Program::DockerRegistry, Access::Plain)?;
    let site = Registry::start(Program::Distribution, Access::Plain)?;
    let place = Workplace::new();
    for item in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles")).unwrap() {
        let path = item.unwrap().path();
        if path.is_file() {
            fs_err::copy(&path, place.path().join("profiles").join(path.file_name().unwrap()))
                .unwrap();
        }
    }
    Some(Stage { mirror, site, containerd, place })
}

impl Stage {
    /// Pushes an image to the mirror for each one of the profile, and returns them.
    fn push(&self) -> Vec<Copied> {
        let report = self.place.run(&["images", "production", "--mirror", "--json"]).json();
        let copies = report["copies"].as_array().unwrap().iter();
        // Both families of media types, as in real mirrors.
        let formats = Format::ALL.into_iter().cycle();
        let push = |(copy, format): (&Value, Format)| {
            let name = copy["from"].as_str().unwrap();
            let (host, path) = name.split_once('/').unwrap();
            assert!(SOURCES.contains(&host), "{name}");
            let (repository, tag) = path.rsplit_once(':').unwrap();
            let image = Image::index(format, repository);
            self.mirror.push(repository, tag, &image);
            Copied { repository: repository.to_owned(), tag: tag.to_owned(), image }
        };
        copies.zip(formats).map(push).collect()
    }

    /// Writes the configuration of both registries, the program and skopeo.
    fn configure(&self) {
        let path = self.place.path();
        let authority = Authority::make(path).unwrap();
        fs_err::copy(authority.file("ca/ca.crt"), path.join("ca.crt")).unwrap();
        for (file, address, registry) in [
            ("mirror.yml", "127.0.0.2:5000", &self.mirror),
            ("site.yml", "127.0.0.3:5000", &self.site),
        ] {
            let tls = json!({ "certificate": authority.file("server.crt"), "key": authority.file("server.key") });
            let config = json!({
                "version": "0.1",
                "storage": { "filesystem": { "rootdirectory": registry.storage() } },
                "http": { "addr": address, "tls": tls },
            });
            self.place.write(file, &config.to_string());
        }
        self.place.write("hosts", HOSTS);
        let folder = path.join(".config/containers");
        for host in [MIRROR, SITE] {
            let folder = folder.join("certs.d").join(host);
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::copy(path.join("ca.crt"), folder.join("ca.crt")).unwrap();
        }
        let source =
            |host: &str| format!("[[registry]]\nprefix = \"{host}\"\nlocation = \"{MIRROR}\"\n");
        fs_err::write(folder.join("registries.conf"), SOURCES.map(source).concat()).unwrap();
        let policy = "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}";
        fs_err::write(folder.join("policy.json"), policy).unwrap();
    }

    /// Runs the page's commands.
    fn run(&self, script: &str) -> Ran {
        self.place.write("page.sh", script);
        let own = Path::new(env!("CARGO_BIN_EXE_relay-bundle")).parent().unwrap();
        let mut command = Command::new("unshare");
        self.place.prepare(&mut command);
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", own.display()));
        command.env("MIRROR", self.mirror.program()).env("SITE", self.site.program());
        command.env("OTEL_TRACES_EXPORTER", "none");
        command
            .env("CONTAINERD_ADDRESS", self.containerd.address())
            .env("CONTAINERD_SNAPSHOTTER", "native");
        command.args([
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "bash",
            "-euc",
            STAGE,
        ]);
        Ran::of(&mut command)
    }
}

#[test]
fn page_runs_as_written() {
    let Some(stage) = stage() else { return };
    let copies = stage.push();
    assert!(copies.len() >= 2, "the profile has several images");
    stage.configure();
    let page =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images.md")).unwrap();
    let script = blocks(&page);
    assert!(
        script.lines().filter(|line| line.starts_with("relay-bundle ")).count() >= 12,
        "{script}"
    );

    let ran = stage.run(&script);

    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let images = copies.len();
    let pushes: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("push") && line.contains(" images: "))
        .collect();
    // Every blob of the full archive, and none of the delta after it.
    for (push, words) in pushes.iter().zip([
        format!("would push {images} images: {} blobs to send", 2 * images),
        format!("pushed {images} images: {} blobs sent", 2 * images),
        format!("pushed {images} images: 0 blobs sent"),
    ]) {
        assert!(push.starts_with(&words), "{words}: {push}");
    }
    assert_eq!(pushes.len(), 3, "{}", ran.stderr);
    for Copied { repository, tag, image } in &copies {
        let pinned = &image.children[0];
        let digest = &pinned.manifest.digest;
        // The site's registry and the node have the images of the pods.
        assert_eq!(stage.site.digest(repository, tag).as_ref(), Some(digest), "{repository}");
        assert!(
            pinned.blobs.iter().all(|blob| stage.site.has_blob(repository, blob)),
            "{repository}"
        );
        let reference = format!("{SITE}/{repository}:{tag}@{digest}");
        assert!(stage.containerd.image_status(&reference).is_some(), "{reference}");
    }
}

/// A skipped block would neither run nor fail.
#[test]
fn extracted_blocks_are_all_shell_blocks() {
    let page = "text\n\n```sh\none\n```\n\n```text\ntwo\n```\n```sh\nthree \\\n  four\n```\n";
    assert_eq!(blocks(page), "one\nthree \\\n  four\n");
}
