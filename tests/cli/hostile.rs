//! Handmade bundles whose SHA256SUMS is right, but which this program would not make.

use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::media::archive;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::render::yaml::{from_yaml, to_yaml};
use serde_json::{Value, json};

use crate::env::{Ran, TestEnv};

/// Colours the terminal, moves its cursor, and reverses text, unless escaped.
const ATTACK: &str = "x\u{1b}[31m\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\nforged line";

/// The files of a built bundle, for editing.
struct Forgery {
    files: Vec<(String, Vec<u8>)>,
}

impl Forgery {
    fn of(env: &TestEnv) -> Self {
        let entry = env.build(&["web"]);
        let mut files = Vec::new();
        for folder in ["", "manifests"] {
            for file in entry.join(folder).read_dir_utf8().unwrap().map(Result::unwrap) {
                let path = file.path().strip_prefix(&entry).unwrap().to_string();
                if file.file_type().unwrap().is_file() && path != "SHA256SUMS" {
                    files.push((path, fs_err::read(file.path()).unwrap()));
                }
            }
        }
        files.sort();
        Self { files }
    }

    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.files.iter_mut().find(|(path, _)| path.contains(name)).unwrap().1
    }

    fn edit_json(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let file = self.file(name);
        let mut value = serde_json::from_slice(file).unwrap();
        edit(&mut value);
        *file = serde_json::to_vec(&value).unwrap();
    }

    /// Changes a manifest, and keeps the index consistent.
    fn edit_manifest(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let file = self.file(name);
        let mut value = from_yaml(file).unwrap();
        edit(&mut value);
        *file = to_yaml(&value).into_bytes();
        let digest = Digest::of(file).to_string();
        self.edit_json("bundle.json", |index| {
            let objects = index["objects"].as_array_mut().unwrap();
            let object =
                objects.iter_mut().find(|object| object["file"].as_str().unwrap().contains(name));
            object.unwrap()["sha256"] = digest.into();
        });
    }

    fn edit_recipe(&mut self, edit: impl FnOnce(&mut Value)) {
        self.edit_json("recipe.json", edit);
        let digest = Digest::of(self.file("recipe.json")).to_string();
        self.edit_json("bundle.json", |index| index["recipe"] = digest.into());
    }

    fn write(self, env: &TestEnv, name: &str) {
        let mut files = BundleFiles::default();
        for (path, bytes) in self.files {
            files.add(SafePath::parse(&path).unwrap(), bytes).unwrap();
        }
        let mut bytes = Vec::new();
        archive::write(&mut bytes, None, &files).unwrap();
        fs_err::write(env.path().join(name), bytes).unwrap();
    }
}

/// Removes our own sequences: colours, bold, faint.
fn without_our_colours(text: &str) -> String {
    ["0", "1", "2", "31", "32", "33"]
        .iter()
        .fold(text.to_owned(), |text, code| text.replace(&format!("\u{1b}[{code}m"), ""))
}

#[test]
fn bundle_text_reaches_terminal_without_control_sequences() {
    let env = TestEnv::new();
    let mut forgery = Forgery::of(&env);
    forgery.edit_manifest("-svc-relay-claude-relay.yaml", |service| {
        service["metadata"]["annotations"] = json!({ATTACK: ATTACK, "x/snippet": ATTACK});
        service["spec"]["sessionAffinity"] = ATTACK.into();
    });
    forgery.edit_manifest("-deploy-", |deployment| {
        let template = &mut deployment["spec"]["template"];
        template["metadata"]["annotations"][format!("checksum/secret-{ATTACK}")] = ATTACK.into();
        template["spec"]["volumes"][0]["name"] = ATTACK.into();
        template["spec"]["affinity"] = json!({ATTACK: [ATTACK]});
    });
    forgery.edit_json("bundle.json", |index| {
        index["workloads"][1]["checksums"][format!("checksum/secret-{ATTACK}")] = ATTACK.into();
    });
    forgery.edit_recipe(|recipe| {
        recipe["settings"]["config"][ATTACK] = format!("one\n{ATTACK}").into();
        recipe["settings"]["config"]["apiKeyPrefix"] = format!("one\n{ATTACK}").into();
        recipe["set"] = json!([ATTACK]);
    });
    forgery.write(&env, "evil.tar");

    for arguments in [
        vec!["inspect", "evil.tar"],
        vec!["diff", "web", "evil.tar"],
        vec!["diff", "evil.tar", "web"],
        vec!["images", "evil.tar"],
    ] {
        for option in ["--color=always", "--color=never", "--json"] {
            let all: Vec<&str> = arguments.iter().copied().chain([option]).collect();
            let ran = env.run(&all);

            assert!([0, 1].contains(&ran.code), "{all:?}: {}", ran.stderr);
            let output = without_our_colours(&(ran.stdout + &ran.stderr));
            let control =
                output.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(control, None, "{all:?}: {output:?}");
            assert!(!output.contains("\nforged line"), "{output}");
        }
    }
}

#[test]
fn bundle_error_reaches_terminal_without_control_sequences() {
    let env = TestEnv::new();
    let entry = env.build(&["web"]);
    fs_err::write(entry.join("\u{1b}[31m\u{9b}2J"), "").unwrap();

    for option in ["--color=always", "--json"] {
        let ran = env.run(&["inspect", "@web", option]);

        assert_eq!(ran.code, 3);
        assert!(ran.stderr.contains(r"\u{1b}[31m\u{9b}2J"), "{}", ran.stderr);
        assert!(unlabelled(&ran).chars().all(|c| c == '\n' || !c.is_control()));
    }
}

#[test]
fn notice_with_hostile_path_stays_on_one_line() {
    let env = TestEnv::new();
    let file = env.path().join("state\nerror: forged").to_string();

    let ran = env.run(&["state", "show", "--state", &file]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(r"state\nerror: forged"), "{}", ran.stderr);
    assert!(!ran.stderr.lines().any(|line| line.starts_with("error:")), "{}", ran.stderr);
}

#[test]
fn changes_beyond_current_profiles_are_reported() {
    let env = TestEnv::new();
    let mut forgery = Forgery::of(&env);
    forgery.edit_manifest("-sts-", |object| object["spec"]["serviceName"] = "other".into());
    forgery.edit_json("bundle.json", |index| {
        let namespace = index["namespace"].clone();
        let contract = index["contract"].as_array_mut().unwrap();
        contract.push(json!({
            "kind": "Service", "name": "other", "namespace": namespace, "source": "cluster",
            "usedBy": ["StatefulSet/relay-redis"],
        }));
        contract.sort_by_key(|wanted| wanted["kind"].to_string());
    });
    forgery.edit_recipe(|recipe| recipe["renderAbi"] = 99.into());
    forgery.write(&env, "later.tar");

    let ran = env.run(&["diff", "@web", "later.tar"]);

    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("! StatefulSet/relay-redis: spec.serviceName cannot change"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains(", now 99: the two releases of relay-bundle"), "{}", ran.stdout);
    assert!(ran.stdout.contains("StatefulSet/relay-redis  restart: no"), "{}", ran.stdout);
}

#[test]
fn self_contradicting_bundle_is_not_trusted() {
    type Edit = fn(&mut Forgery);
    let table: [(&str, Edit); 14] = [
        ("format 2", |forgery| {
            forgery.edit_json("bundle.json", |index| index["format"] = 2.into());
        }),
        ("unknown field", |forgery| {
            forgery.edit_json("bundle.json", |index| index["more"] = 1.into());
        }),
        ("canonical", |forgery| forgery.file("bundle.json").push(b'\n')),
        ("recipe.json", |forgery| {
            forgery.edit_json("recipe.json", |recipe| recipe["renderAbi"] = 9.into());
        }),
        ("canonical", |forgery| forgery.file("recipe.json").insert(0, b' ')),
        ("manifests: images", |forgery| {
            forgery.edit_json("bundle.json", |index| {
                index["images"][0]["reference"] = "harmless:1".into();
            });
        }),
        ("manifests: workloads", |forgery| {
            forgery.edit_json("bundle.json", |index| index["workloads"][0]["consumes"] = json!([]));
        }),
        ("ClusterRoleBinding", |forgery| {
            forgery.edit_manifest("-svc-relay-claude-relay.yaml", |object| {
                object["kind"] = "ClusterRoleBinding".into();
            });
        }),
        ("evil/v1", |forgery| {
            forgery.edit_manifest("-deploy-", |object| object["apiVersion"] = "evil/v1".into());
        }),
        ("which contradicts", |forgery| {
            forgery.edit_manifest("-deploy-", |object| {
                object["metadata"]["namespace"] = "kube-system".into();
            });
        }),
        ("which contradicts", |forgery| {
            forgery.edit_json("bundle.json", |index| {
                index["objects"][0]["sha256"] = "0".repeat(64).into();
            });
        }),
        ("canonical YAML", |forgery| forgery.file("-deploy-").extend(b"# comment\n")),
        ("disagree about", |forgery| {
            forgery.edit_json("bundle.json", |index| {
                drop(index["objects"].as_array_mut().unwrap().pop());
            });
        }),
        ("order", |forgery| {
            forgery.edit_json("bundle.json", |index| {
                index["objects"].as_array_mut().unwrap().swap(0, 1);
            });
        }),
    ];
    for (why, edit) in table {
        let env = TestEnv::new();
        let mut forgery = Forgery::of(&env);
        edit(&mut forgery);
        forgery.write(&env, "evil.tar");

        let ran = env.run(&["inspect", "evil.tar"]);

        assert_eq!(ran.code, 3, "{why}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why} in {}", ran.stderr);
    }
}

#[test]
fn diff_of_two_large_texts_ends_quickly() {
    let env = TestEnv::new();
    let mut texts = Vec::new();
    for name in ["one.tar", "two.tar"] {
        let mut forgery = Forgery::of(&env);
        forgery.edit_manifest("-cm-relay-claude-relay-config", |object| {
            let lines = (0..60_000)
                .map(|n| format!("{}\n", (n * 7919 + name.len() * 31 + texts.len()) % 9973));
            object["data"]["LOG_LEVEL"] = lines.collect::<String>().into();
        });
        forgery.write(&env, name);
        texts.push(name);
    }
    let start = std::time::Instant::now();

    let ran = env.run(&["diff", "one.tar", "two.tar"]);

    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("too many to compare here"), "{}", ran.stdout);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// Returns the first entry of the contract whose object is made in `way`.
fn made<'a>(index: &'a mut Value, way: &str) -> &'a mut Value {
    let contract = index["contract"].as_array_mut().unwrap();
    contract.iter_mut().find(|wanted| wanted["source"] == way).unwrap()
}

#[test]
fn lying_index_is_not_trusted() {
    type Edit = fn(&mut Value);
    let table: [(&str, Edit); 21] = [
        ("manifests: contract", |index| drop(index["contract"].as_array_mut().unwrap().pop())),
        ("manifests: contract", |index| index["contract"][0]["kind"] = "Anything".into()),
        ("manifests: contract", |index| index["contract"][0]["name"] = ATTACK.into()),
        ("manifests: contract", |index| index["contract"][0]["namespace"] = "elsewhere".into()),
        ("manifests: contract", |index| index["contract"][0]["usedBy"] = json!([ATTACK])),
        ("manifests: contract", |index| {
            made(index, "generated")["keys"][0]["key"] = "another".into();
        }),
        ("impossible source", |index| made(index, "generated")["source"] = "cluster".into()),
        ("impossible source", |index| made(index, "generated")["source"] = "sealed".into()),
        ("impossible source", |index| made(index, "cluster")["source"] = "generated".into()),
        ("impossible source", |index| made(index, "generated")["keys"][0]["length"] = 0.into()),
        ("impossible source", |index| {
            made(index, "generated")["keys"][0]["file"] = "secrets/a.age".into();
        }),
        ("impossible source", |index| {
            let wanted = made(index, "generated");
            wanted["source"] = "sealed".into();
            for key in wanted["keys"].as_array_mut().unwrap() {
                *key = json!({"key": key["key"], "file": "secrets/not-there.age"});
            }
        }),
        ("manifests: versions of Kubernetes", |index| index["kubernetes"]["max"] = "1.30".into()),
        ("oldest version", |index| index["kubernetes"]["min"] = "1.19".into()),
        ("not a Kubernetes version", |index| index["kubernetes"]["min"] = "2.0".into()),
        ("disagree about the name", |index| index["name"] = "other".into()),
        ("disagree about the namespace", |index| index["namespace"] = "kube-system".into()),
        ("disagree about the environment", |index| index["environment"] = "other".into()),
        ("disagree about the profile", |index| index["profile"] = "other".into()),
        ("disagree about the appVersion", |index| index["appVersion"] = "v0.0.1".into()),
        ("not valid here", |index| index["profile"] = ATTACK.into()),
    ];
    let env = TestEnv::new();
    let built = Forgery::of(&env).files;
    for (number, (why, edit)) in table.into_iter().enumerate() {
        let mut forgery = Forgery { files: built.clone() };
        forgery.edit_json("bundle.json", edit);
        let name = format!("{number}.tar");
        forgery.write(&env, &name);

        let ran = env.run(&["inspect", &name]);

        assert_eq!(ran.code, 3, "{number}: {why}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{number}: {why} in {}", ran.stderr);
        assert!(ran.stderr.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", ran.stderr);
    }
}

#[test]
fn object_in_other_namespace_is_not_trusted() {
    let env = TestEnv::new();
    let mut forgery = Forgery::of(&env);
    forgery.edit_manifest("-svc-relay-claude-relay.yaml", |object| {
        object["metadata"]["namespace"] = "kube-system".into();
    });
    forgery.edit_json("bundle.json", |index| {
        let objects = index["objects"].as_array_mut().unwrap();
        let is_it = |object: &&mut Value| {
            object["file"].as_str().unwrap().contains("-svc-relay-claude-relay.yaml")
        };
        objects.iter_mut().find(is_it).unwrap()["namespace"] = "kube-system".into();
    });
    forgery.write(&env, "evil.tar");

    let ran = env.run(&["inspect", "evil.tar"]);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("not in the bundle's namespace"), "{}", ran.stderr);
}

/// Returns stdout and stderr without the styles of `error:` and `hint:`.
pub(crate) fn unlabelled(ran: &Ran) -> String {
    ["error:", "hint:"].iter().zip(["31", "36"]).fold(
        format!("{}{}", ran.stdout, ran.stderr),
        |text, (label, colour)| {
            text.replace(&format!("\u{1b}[1m\u{1b}[{colour}m{label}\u{1b}[0m"), label)
        },
    )
}
