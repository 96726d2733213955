//! The data volume keeps its data, whichever installation wrote it.

use std::time::Duration;

use crate::harness::{Image, MAXMEMORY, Server, Volumes, dump_of, fill, fingerprint};
use crate::support::text_of;

const MIGRATED: &str = "redis-start: the append-only file is complete";

#[test]
fn server_runs_with_rendered_configuration() {
    for image in Image::all() {
        let volumes = Volumes::new();
        let server = volumes.start(&image, None).ready();

        for (name, value) in [
            ("maxmemory", MAXMEMORY.to_string().as_str()),
            ("maxmemory-policy", "noeviction"),
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
            ("save", "60 1"),
            ("protected-mode", "no"),
            ("bind", "* -::*"),
            ("dir", volumes.data().to_str().unwrap()),
        ] {
            assert_eq!(server.ask(&["config", "get", name]), format!("{name}\n{value}"));
        }
        // The relay needs these.
        assert_eq!(server.ask(&["keys", "*"]), "");
        assert_eq!(server.ask(&["eval", "return redis.call('time')[1] > '0'", "0"]), "1");
    }
}

#[test]
fn sigterm_saves_dump_and_server_exits_with_code_0() {
    for image in Image::all() {
        let volumes = Volumes::new();
        let server = volumes.start(&image, Some("secret")).ready();
        fill(&server, 1000);
        let before = fingerprint(&server);

        let (status, log) = server.terminate();

        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains("redis-start:"), "an empty volume needs no migration: {log}");
        // The dump alone has all keys: it allows a return to a server without an append-only file.
        let chart = Volumes::with_data(&[("dump.rdb", &volumes.dump())]);
        assert_eq!(fingerprint(&chart.start_plain(&image).ready()), before);
    }
}

#[test]
fn redis_without_script_ignores_and_overwrites_dump() {
    let Some(image) = Image::debian() else { return };
    let (dump, before) = dump_of(&image, 100);
    let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);
    let mut command = image.command("redis-server");
    command.arg(volumes.file("redis.conf"));

    let server = Server::spawn(&volumes, command, &image, None).ready();

    assert_ne!(fingerprint(&server), before);
    assert_eq!(server.ask(&["dbsize"]), "0");
    assert_eq!(server.ask(&["save"]), "OK");
    assert_ne!(volumes.dump(), dump);
}

#[test]
fn volume_with_only_dump_keeps_its_keys() {
    for image in Image::all() {
        let (dump, before) = dump_of(&image, 5000);
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);

        let server = volumes.start(&image, Some("secret")).ready();

        assert!(server.log().contains(MIGRATED), "{}", server.log());
        assert_eq!(fingerprint(&server), before);
        assert_eq!(server.ask(&["config", "get", "appendonly"]), "appendonly\nyes");
        assert_eq!(fs_err::read_dir(volumes.file("run")).unwrap().count(), 0);
        // New keys survive a kill, and the next start does not migrate again.
        fill(&server, 5500);
        let after = fingerprint(&server);
        // appendfsync everysec
        std::thread::sleep(Duration::from_millis(1500));
        server.kill();
        let server = volumes.start(&image, Some("secret")).ready();
        assert!(!server.log().contains("redis-start:"), "{}", server.log());
        assert_eq!(fingerprint(&server), after);
        // They also survive a clean end, after which the dump is as new as the append-only file.
        server.terminate();
        assert_eq!(fingerprint(&volumes.start(&image, Some("secret")).ready()), after);
    }
}

#[test]
fn dump_beside_append_only_file_is_left_to_redis() {
    for image in Image::all() {
        let (older_dump, _) = dump_of(&image, 10);
        let volumes = Volumes::new();
        let server = volumes.start(&image, None).ready();
        fill(&server, 200);
        let newer = fingerprint(&server);
        server.terminate();
        fs_err::write(volumes.file("data/dump.rdb"), older_dump).unwrap();

        let server = volumes.start(&image, None).ready();

        assert_eq!(fingerprint(&server), newer);
    }
}

#[test]
fn append_only_file_of_older_redis_is_adopted() {
    for image in Image::all() {
        let (dump, _) = dump_of(&image, 10);
        let old = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";
        let volumes = Volumes::with_data(&[("dump.rdb", &dump), ("appendonly.aof", old)]);

        let server = volumes.start(&image, None).ready();

        assert_eq!(server.ask(&["get", "key"]), "value");
        assert_eq!(server.ask(&["dbsize"]), "1");
    }
}

#[test]
fn leftovers_of_killed_migration_or_server_are_removed() {
    for image in Image::all() {
        let (dump, before) = dump_of(&image, 100);
        let volumes = Volumes::with_data(&[
            ("dump.rdb", &dump),
            (
                "appendonlydir.partial/appendonly.aof.manifest",
                b"file appendonly.aof.1.base.rdb seq 1 type b\n",
            ),
            ("appendonlydir.partial/appendonly.aof.1.base.rdb", b"REDIS0011 half of it"),
            ("temp-rewriteaof-17.aof", b"half"),
            ("temp-rewriteaof-bg-18.aof", b"half"),
            ("temp-19.rdb", b"half"),
            ("temp-of-mine.rdb", b"not made by Redis"),
        ]);
        fs_err::create_dir(volumes.file("data/appendonlydir")).unwrap();

        let server = volumes.start(&image, None).ready();

        assert_eq!(fingerprint(&server), before);
        assert_eq!(volumes.data_names(), ["appendonlydir", "dump.rdb", "temp-of-mine.rdb"]);
    }
}

#[test]
fn append_only_dir_without_manifest_is_refused() {
    for image in Image::all() {
        let (dump, _) = dump_of(&image, 10);
        let base = "appendonlydir/appendonly.aof.1.base.rdb";
        let volumes = Volumes::with_data(&[("dump.rdb", &dump), (base, b"REDIS0011")]);

        let (status, log) = volumes.start(&image, None).wait();

        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("appendonlydir has files but no manifest"), "{log}");
        assert_eq!(text_of(&volumes.data().join(base)), "REDIS0011");
        assert_eq!(volumes.dump(), dump);
    }
}

#[test]
fn unreadable_dump_stops_start_and_stays_unchanged() {
    for image in Image::all() {
        let (dump, _) = dump_of(&image, 1000);
        let mut flipped = dump.clone();
        flipped[dump.len() / 2] ^= 1;
        for bytes in [b"".as_slice(), b"not a dump", &dump[..dump.len() / 2], &flipped] {
            let volumes = Volumes::with_data(&[("dump.rdb", bytes)]);

            let (status, log) = volumes.start(&image, None).wait();

            assert_eq!(status.code(), Some(1), "{log}");
            assert!(log.contains("redis-start: the temporary server has ended"), "{log}");
            assert_nothing_changed(&volumes, bytes);
        }
    }
}

#[test]
fn append_only_file_out_of_space_stops_start_and_keeps_dump() {
    for image in Image::all() {
        let (dump, before) = dump_of(&image, 20_000);
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);
        let start = volumes.start_command(&image, None);
        let mut limited = image.command("sh");
        // In units of 512 or 1024 bytes: either limit is below the size of the dump.
        limited
            .args(["-c", "ulimit -f 64; exec \"$@\"", "sh"])
            .arg(start.get_program())
            .args(start.get_args());

        let (status, log) = Server::spawn(&volumes, limited, &image, None).wait();

        assert!(dump.len() > 64 * 1024, "{}", dump.len());
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("redis-start: the append-only file could not be written"), "{log}");
        assert_nothing_changed(&volumes, &dump);
        assert_eq!(fingerprint(&volumes.start(&image, None).ready()), before);
    }
}

#[track_caller]
fn assert_nothing_changed(volumes: &Volumes, dump: &[u8]) {
    let names = volumes.data_names();
    assert!(names.iter().all(|name| name == "dump.rdb" || name.starts_with("temp-")), "{names:?}");
    assert_eq!(volumes.dump(), dump);
    assert_eq!(fs_err::read_dir(volumes.file("run")).unwrap().count(), 0);
}
