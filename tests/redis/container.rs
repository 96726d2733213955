//! The server as the kubelet runs it: as PID 1, with a read-only root, as an ordinary user, without
//! capabilities.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{Image, SLOW_LOADING, Server, Volumes, dump_of, fill, fingerprint};
use crate::support::{children, find, isolated, signal, text_of, wait_until};

/// Makes everything but two volumes read-only, then becomes user 999 and runs the program given
/// after the volumes.
const ENTER: &str = r#"
set -e
mount --make-rprivate /
for volume in "$1" "$2"; do
    chown -R 999:999 "$volume"
    mount --bind "$volume" "$volume"
done
mount -o remount,bind,ro /
if touch /tmp/writable 2>/dev/null; then exit 99; fi
shift 2
exec setpriv --reuid 999 --regid 999 --clear-groups --bounding-set -all --inh-caps -all --no-new-privs "$@"
"#;

/// Starts a server in its own container; returns it with its process id.
fn start(volumes: &Volumes, image: &Image, password: &str) -> (Server, i64) {
    for folder in [&volumes.file(""), image.programs()] {
        fs_err::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    let start = volumes.start_command(image, None);
    let mut command = Command::new("unshare");
    command.env_clear().env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", image.path()));
    command.env("REDIS_PASSWORD", password).stdin(Stdio::null());
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", ENTER, "sh"]);
    command
        .arg(volumes.data())
        .arg(volumes.file("run"))
        .arg(start.get_program())
        .args(start.get_args());
    let server = Server::spawn(volumes, command, image, Some(password));
    wait_until("the container has a process", Duration::from_secs(10), || {
        !children(server.process()).is_empty()
    });
    let first = children(server.process())[0];
    (server, first)
}

fn images() -> Vec<Image> {
    if find("setpriv", "util-linux").is_some() && isolated() { Image::all() } else { Vec::new() }
}

#[test]
fn pid_1_in_restricted_container_migrates_serves_and_saves() {
    for image in images() {
        let (dump, before) = dump_of(&image, 1000);
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);

        let (server, first) = start(&volumes, &image, "a \"secret\" \\ é");
        let server = server.ready();

        let status = text_of(Path::new(&format!("/proc/{first}/status")));
        for (name, value) in [
            ("Name", "redis-server"),
            ("Uid", "999"),
            ("CapBnd", "0000000000000000"),
            ("CapEff", "0000000000000000"),
        ] {
            let line =
                status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            assert!(line.split_whitespace().all(|field| field == value), "{name}:{line}");
        }
        assert!(
            status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")),
            "{status}"
        );
        assert_eq!(fingerprint(&server), before);
        fill(&server, 2000);
        let after = fingerprint(&server);
        signal("TERM", first);
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        let plain = Volumes::with_data(&[("dump.rdb", &volumes.dump())]);
        assert_eq!(fingerprint(&plain.start_plain(&image).ready()), after);
    }
}

#[test]
fn script_as_pid_1_obeys_sigterm_during_migration() {
    for image in images() {
        let (dump, _) = dump_of(&image, 5000);
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);
        volumes.tune(SLOW_LOADING);
        let (server, first) = start(&volumes, &image, "secret");
        let socket = volumes.file("run/migrate.sock");
        wait_until("the temporary server listens", Duration::from_secs(10), || socket.exists());

        signal("TERM", first);

        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(143), "{log}");
        assert_eq!(volumes.dump(), dump);
        assert!(!volumes.file("data/appendonlydir").exists());
    }
}
