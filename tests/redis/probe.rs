//! The probes distinguish a serving server from one that only runs.

use std::time::{Duration, Instant};

use crate::harness::{Image, SLOW_LOADING, Volumes, dump_of};
use crate::support::{signal, wait_until};

#[test]
fn serving_server_is_ready_and_alive() {
    for image in Image::all() {
        for password in [None, Some("plain"), Some(" $(id) \"'\\ é ")] {
            let volumes = Volumes::new();
            let _server = volumes.start(&image, password).ready();

            assert_eq!(volumes.probe(&image, "ready", password), (true, String::new()));
            assert_eq!(volumes.probe(&image, "alive", password), (true, String::new()));
        }
    }
}

#[test]
fn loading_server_is_alive_but_not_ready() {
    for image in Image::all() {
        let (dump, _) = dump_of(&image, 2500);
        let volumes = Volumes::with_data(&[("dump.rdb", &dump)]);
        volumes.start(&image, None).ready().terminate();
        volumes.tune(SLOW_LOADING);
        let server = volumes.start(&image, None);
        wait_until("Redis loads", Duration::from_secs(10), || {
            server.ask(&["ping"]).starts_with("LOADING")
        });

        let (ready, told) = volumes.probe(&image, "ready", None);
        let alive = volumes.probe(&image, "alive", None);

        assert!(!ready && told.starts_with("redis answered: LOADING"), "{told}");
        assert_eq!(alive, (true, String::new()));
        let server = server.ready();
        assert_eq!(server.ask(&["dbsize"]), "2526");
        assert_eq!(volumes.probe(&image, "ready", None), (true, String::new()));
    }
}

#[test]
fn server_refusing_password_is_alive_but_not_ready() {
    for image in Image::all() {
        let volumes = Volumes::new();
        let _server = volumes.start(&image, Some("right")).ready();

        for password in [None, Some("wrong-one")] {
            let (ready, told) = volumes.probe(&image, "ready", password);

            assert!(!ready && told.contains("NOAUTH"), "{told}");
            assert!(!told.contains("wrong-one"), "{told}");
            assert!(volumes.probe(&image, "alive", password).0);
        }
    }
}

#[test]
fn server_running_long_script_is_alive_but_not_ready() {
    for image in Image::all() {
        let volumes = Volumes::new();
        let server = volumes.start(&image, None).ready();
        server.ask(&["config", "set", "busy-reply-threshold", "10"]);
        let client = volumes.client(&image, None);
        let script = std::thread::spawn(move || client.ask(&["eval", "while true do end", "0"]));
        wait_until("the script runs", Duration::from_secs(10), || {
            server.ask(&["ping"]).starts_with("BUSY")
        });

        let (ready, told) = volumes.probe(&image, "ready", None);
        let alive = volumes.probe(&image, "alive", None);

        assert!(!ready && told.starts_with("redis answered: BUSY"), "{told}");
        assert_eq!(alive, (true, String::new()));
        assert_eq!(server.ask(&["script", "kill"]), "OK");
        script.join().unwrap();
        assert!(volumes.probe(&image, "ready", None).0);
    }
}

#[test]
fn absent_or_hanging_server_is_neither_ready_nor_alive() {
    for image in Image::all() {
        let volumes = Volumes::new();
        for kind in ["ready", "alive"] {
            let (good, told) = volumes.probe(&image, kind, None);
            assert!(
                !good && told.contains("did not answer") && told.contains("Connection refused"),
                "{told}"
            );
        }
        let server = volumes.start(&image, None).ready();
        signal("STOP", server.process());
        for kind in ["ready", "alive"] {
            let start = Instant::now();

            let (good, told) = volumes.probe(&image, kind, None);

            assert!(!good && told.contains("did not answer"), "{told}");
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        }
    }
}
