//! Any password works, and it appears in neither arguments nor files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use crate::harness::{Image, Volumes, dump_of};
use crate::support::text_of;

#[test]
fn only_password_from_env_unlocks_server() {
    for image in Image::all() {
        let volumes = Volumes::new();
        let server = volumes.start(&image, Some("right")).ready();

        let stranger = volumes.client(&image, None);
        let wrong = volumes.client(&image, Some("wrong"));

        assert_eq!(server.ask(&["set", "key", "value"]), "OK");
        assert_eq!(stranger.ask(&["get", "key"]), "NOAUTH Authentication required.");
        assert_eq!(wrong.ask(&["get", "key"]), "NOAUTH Authentication required.");
    }
}

#[test]
fn server_without_password_in_env_requires_none() {
    for image in Image::all() {
        let server = Volumes::new().start(&image, None).ready();

        assert_eq!(server.ask(&["set", "key", "value"]), "OK");
        assert_eq!(server.ask(&["config", "get", "requirepass"]), "requirepass");
    }
}

#[test]
fn any_printable_password_works() {
    let ascii: String = (' '..='~').collect();
    // Every byte of UTF-8, at least once.
    let two_bytes: String = ('\u{a0}'..='\u{7ff}').step_by(7).collect();
    let more_bytes: String =
        ('\u{800}'..='\u{ffff}').step_by(211).chain(['🔑', '\u{10fffd}']).collect();
    let passwords = [
        "plain",
        " a leading and a trailing space ",
        "\"",
        "\\",
        "\\\\\"\\",
        "'",
        "$HOME $(id) `id` ${REDIS_PASSWORD}",
        "# not a comment",
        "a \"b\" 'c' \\n \\x41",
        "%s%d%%",
        "-",
        "--requirepass",
        "EOF",
        "*?[a-z]{1,2}~",
        "pässwörd 密码",
        &ascii,
        &two_bytes,
        &more_bytes,
        &"long \" ".repeat(200),
    ];
    for image in Image::all() {
        for password in passwords {
            let server = Volumes::new().start(&image, Some(password)).ready();

            assert_eq!(
                server.ask(&["config", "get", "requirepass"]),
                format!("requirepass\n{password}").trim_end()
            );
        }
    }
}

#[test]
fn password_that_would_reach_redis_altered_stops_start() {
    let empty = ("", "is empty");
    let control = [
        "hidden\n",
        "hidden\r\n",
        "hid\nrequirepass none",
        "hid\tden",
        "hid\u{1b}den",
        "hid\u{7f}den",
    ];
    for image in Image::all() {
        let volumes = Volumes::new();
        for (password, why) in control
            .map(|password| (password, "contains a control character"))
            .into_iter()
            .chain([empty])
        {
            let (status, log) = volumes.start(&image, Some(password)).wait();

            assert_eq!(status.code(), Some(1), "{password:?} on {}", image.name);
            assert!(log.starts_with("redis-start: REDIS_PASSWORD ") && log.contains(why), "{log}");
            assert!(!log.contains("hid"), "{log}");
        }
    }
}

#[test]
fn password_is_in_neither_process_arguments_nor_files() {
    let password = "only-in-the-environment";
    for image in Image::all() {
        let (dump, _) = dump_of(&image, 100);
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);

        let (watching, wanted) = mpsc::channel();
        let watcher = std::thread::spawn(move || watch_arguments(&wanted));
        let server = volumes.start(&image, Some(password)).ready();
        let (ready, told) = volumes.probe(&image, "ready", Some(password));
        server.terminate();
        drop(watching);
        let seen = watcher.join().unwrap();

        assert!(ready, "{told}");
        let temporary = volumes.file("run/migrate.sock");
        assert!(
            seen.iter().any(|line| line.contains(temporary.to_str().unwrap())),
            "the migration was not seen"
        );
        assert!(
            seen.iter().any(|line| line.contains(&format!("redis-server *:{}", volumes.port))),
            "{seen:#?}"
        );
        let leaks: Vec<_> = seen.iter().filter(|line| line.contains(password)).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
        for file in walkdir::WalkDir::new(volumes.file("")).into_iter().map(Result::unwrap) {
            assert!(!text_of(file.path()).contains(password), "{}", file.path().display());
        }
    }
}

/// Collects the arguments of all processes until the caller sends a message or hangs up.
fn watch_arguments(wanted: &Receiver<()>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while wanted.try_recv() == Err(TryRecvError::Empty) {
        for process in fs_err::read_dir("/proc").unwrap().map(Result::unwrap) {
            let arguments = text_of(&Path::new("/proc").join(process.file_name()).join("cmdline"));
            seen.insert(arguments.replace('\0', " "));
        }
    }
    seen
}
