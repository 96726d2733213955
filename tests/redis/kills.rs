//! A kill at any moment of the first start on a chart's volume does not lose a key.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{
    Image, PATIENCE, SLOW_LOADING, SLOW_WRITING, Server, Volumes, dump_of, fingerprint,
};
use crate::support::{children, find, signal, text_of, wait_until};

const KEYS: u32 = 5000;
const THREADS: usize = 6;
/// The system calls that change the volume, except writes into a file.
const CHANGES: &str =
    "rename,renameat,renameat2,mkdir,mkdirat,rmdir,unlink,unlinkat,fsync,fdatasync";

/// Kills a start in many ways, and checks each time that the next start has all keys.
fn survive(image: &Image, cases: usize, kill: impl Fn(&Volumes, usize) + Sync) {
    let (dump, before) = dump_of(image, KEYS);
    let next = AtomicUsize::new(0);
    let case = || {
        let case = next.fetch_add(1, Ordering::Relaxed);
        if case >= cases {
            return false;
        }
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);
        kill(&volumes, case);
        if !volumes.file("data/appendonlydir").exists() {
            assert_eq!(volumes.dump(), dump, "case {case}");
        }
        let server = volumes.start(image, None).ready();
        assert_eq!(fingerprint(&server), before, "case {case}:\n{}", server.log());
        true
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| while case() {});
        }
    });
}

#[test]
fn kill_at_any_time_loses_no_keys() {
    for image in Image::all() {
        survive(&image, 25, |volumes, case| {
            let server = volumes.start(&image, None);
            // From before the first step until after the real server has started.
            std::thread::sleep(Duration::from_millis(60 * u64::try_from(case).unwrap()));
            server.kill();
        });
    }
}

#[test]
fn kill_after_any_volume_change_loses_no_keys() {
    let Some(image) = Image::debian() else { return };
    if find("strace", "strace").is_none() {
        return;
    }
    let start = |volumes: &Volumes| {
        let mut traced = std::process::Command::new("strace");
        let start = volumes.start_command(&image, None);
        traced.env_clear().env("PATH", image.path()).args(["-f", "-qq", "-e", "signal=none"]);
        traced.args(["-e", &format!("trace={CHANGES}")]);
        // The pause allows a kill before the next change.
        traced.args(["-e", &format!("inject={CHANGES}:delay_exit=20000")]);
        traced.arg("-o").arg(volumes.file("trace")).arg(start.get_program()).args(start.get_args());
        Server::spawn(volumes, traced, &image, None)
    };
    let changes = |volumes: &Volumes| text_of(&volumes.file("trace")).matches(" (DELAYED)").count();
    let (dump, _) = dump_of(&image, KEYS);
    let whole = Volumes::with_data(&[("dump.rdb", &dump)]);
    let server = start(&whole).ready();
    let all = changes(&whole);
    server.kill();
    assert!(all > 15, "{}", text_of(&whole.file("trace")));

    survive(&image, all, |volumes, case| {
        let server = start(volumes);
        // The number of changes differs between runs.
        wait_until("the change has happened", PATIENCE, || {
            changes(volumes) > case || server.ask(&["ping"]) == "PONG"
        });
        server.kill();
    });
}

#[test]
fn killing_only_temporary_server_or_writer_loses_no_keys() {
    for image in Image::all() {
        survive(&image, 12, |volumes, case| {
            volumes.tune(if case < 4 { SLOW_LOADING } else { SLOW_WRITING });
            let server = volumes.start(&image, None);
            let reached = if case < 4 { "run/migrate.sock" } else { "data/appendonlydir.partial" };
            wait_until("the moment comes", PATIENCE, || volumes.file(reached).exists());
            std::thread::sleep(Duration::from_millis(100 * u64::try_from(case % 4).unwrap()));

            let temporary = redis_below(server.process());
            signal("KILL", if case < 8 { temporary } else { redis_below(temporary) });

            let (status, log) = server.wait();
            assert_eq!(status.code(), Some(1), "{log}");
            assert!(log.contains("dump.rdb is untouched"), "{log}");
            let left = volumes.data_names();
            assert!(left.iter().all(|name| !name.starts_with("appendonlydir")), "{left:?}");
            volumes.tune("");
        });
    }
}

/// Returns the Redis process that a process has started.
fn redis_below(process: i64) -> i64 {
    let name = |child: i64| text_of(Path::new(&format!("/proc/{child}/comm")));
    let mut found = None;
    wait_until("Redis runs", PATIENCE, || {
        found = children(process).into_iter().find(|child| name(*child).starts_with("redis"));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn sigterm_during_migration_ends_everything_at_once() {
    for image in Image::all() {
        let (dump, before) = dump_of(&image, KEYS);
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);
        volumes.tune(SLOW_LOADING);
        let server = volumes.start(&image, None);
        let process = server.process();
        wait_until("the temporary server runs", PATIENCE, || children(process).len() == 2);
        let helpers = children(process);

        let asked = std::time::Instant::now();
        let (status, log) = server.terminate();

        assert_eq!(status.code(), Some(143), "{log}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert!(
            helpers.iter().all(|helper| !Path::new(&format!("/proc/{helper}")).exists()),
            "{helpers:?}"
        );
        assert_eq!(volumes.dump(), dump);
        volumes.tune("");
        assert_eq!(fingerprint(&volumes.start(&image, None).ready()), before);
    }
}
