//! `apply` is killed, or asked to stop, at each request that it makes; then it is run again.

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use rustix::process::Signal;

use crate::control_plane::ControlPlane;
use crate::proxy::{Fault, Proxy, Seen, When};
use crate::site::Site;
use crate::started::Ended;
use crate::state::{State, secrets, state, uids};

const MOMENTS: [When; 3] = [When::Before, When::During, When::After];

/// What an upgrade takes away: it is pruned.
const OLD: [&str; 3] = [
    "serviceAccount.name=\"own\"",
    "podDisruptionBudget.enabled=true",
    "podDisruptionBudget.maxUnavailable=1",
];
const NEW: [&str; 1] = ["config.logLevel=\"debug\""];

const CONSENT: [&str; 2] = ["--first-install", "--no-recovery"];

/// A namespace in which something is to be brought to a state.
struct Drill {
    site: Site,
    bundle: Utf8PathBuf,
}

/// What is brought to a cluster.
#[derive(Clone, Copy)]
enum Change {
    FirstInstall,
    UpgradeWithPrune,
}

impl Drill {
    fn begin(namespace: &str, change: Change) -> Option<Self> {
        let site = Site::new(namespace)?.with_namespace();
        site.plane.ensure(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: loki-credentials, namespace: {namespace}}}\n\
             stringData: {{password: x}}\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: of-somebody\n  namespace: {namespace}\n  \
             labels: {{app.kubernetes.io/managed-by: relay-bundle}}\n"
        ));
        let settings = match change {
            Change::FirstInstall => &[][..],
            Change::UpgradeWithPrune => {
                site.applied(&site.build("loki-logging", &OLD), &CONSENT);
                &NEW
            }
        };
        let bundle = site.build("loki-logging", settings);
        Some(Self { site, bundle })
    }

    /// Runs `apply` with a fault at one request.
    fn run(&self, number: usize, fault: Fault, arguments: &[&str]) -> (Ended, Proxy) {
        let script = move |seen: &Seen| if seen.number == number { fault.clone() } else { Fault::None };
        let proxy = Proxy::before(self.site.plane, script);
        let arguments = [&CONSENT, arguments].concat();
        (self.site.apply_through(&proxy, &self.bundle, &arguments), proxy)
    }

    /// Runs `apply`, which must succeed.
    #[track_caller]
    fn finish(&self, arguments: &[&str], what: &str) {
        let (ended, _) = self.run(0, Fault::None, arguments);
        assert_eq!(ended.code, Some(0), "{what}: {}", ended.stderr);
    }

    fn plane(&self) -> &'static ControlPlane {
        self.site.plane
    }

    fn namespace(&self) -> &str {
        &self.site.namespace
    }
}

/// What a run that nothing disturbs leads to, and the requests in it that write.
struct Undisturbed {
    state: State,
    writes: Vec<usize>,
    requests: usize,
}

fn undisturbed(namespace: &str, change: Change) -> Option<Undisturbed> {
    let drill = Drill::begin(namespace, change)?;
    let (ended, proxy) = drill.run(0, Fault::None, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let seen = proxy.seen();
    let writes = seen.iter().filter(|seen| seen.is_write()).map(|seen| seen.number).collect();
    Some(Undisturbed { state: state(drill.plane(), drill.namespace()), writes, requests: seen.len() })
}

#[track_caller]
fn assert_same(found: &State, wanted: &State, what: &str) {
    let names = |state: &State| state.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted), "{what}");
    for (name, object) in wanted {
        assert_eq!(&found[name], object, "{what}: {name}");
    }
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// It ended before the request that was to be disturbed.
    End,
    /// The request; before it nothing had been written.
    Request,
    /// The request, after others that write.
    Write,
}

impl Reached {
    fn of(proxy: &Proxy, number: usize) -> Self {
        match proxy.seen() {
            seen if seen.len() < number => Self::End,
            seen if seen.iter().any(Seen::is_write) => Self::Write,
            _ => Self::Request,
        }
    }
}

/// Kills a run at one request, and runs it again if it had begun to write.
fn kill(drill: &Drill, number: usize, when: When, wanted: &State) -> Reached {
    let what = format!("{}, request {number}, {when:?}", drill.namespace());
    let (plane, namespace) = (drill.plane(), drill.namespace());
    let (uids_before, mut secrets_before) = (uids(plane, namespace), secrets(plane, namespace));
    let before = drill.site.versions();

    let (ended, proxy) = drill.run(number, Fault::Kill(when), &[]);
    let reached = Reached::of(&proxy, number);
    let killed = (reached != Reached::End).then_some(Signal::KILL.as_raw());
    assert_eq!(ended.signal, killed, "{what}: {ended:?}");
    if reached == Reached::Request {
        assert_eq!(drill.site.versions(), before, "{what}");
        return reached;
    }
    secrets_before.append(&mut secrets(plane, namespace));
    // That a lock which was left behind expires is seen elsewhere.
    drill.finish(&["--break-lock"], &what);

    assert_same(&state(plane, namespace), wanted, &what);
    let secrets_now = secrets(plane, namespace);
    for (name, values) in &secrets_before {
        assert_eq!(secrets_now.get(name), Some(values), "{what}: {name} has other values");
    }
    let uids_now = uids(plane, namespace);
    for (name, uid) in uids_before.iter().filter(|(name, _)| wanted.contains_key(*name)) {
        assert_eq!(uids_now.get(name), Some(uid), "{what}: {name} is another one");
    }
    reached
}

/// Asks a run to stop at one request, and runs it again if it had begun to write.
fn interrupt(drill: &Drill, number: usize, when: When, wanted: &State) -> Reached {
    let what = format!("{}, request {number}, {when:?}", drill.namespace());
    let (plane, namespace) = (drill.plane(), drill.namespace());
    let before = drill.site.versions();

    let (ended, proxy) = drill.run(number, Fault::Signal(Signal::INT, when), &[]);
    let reached = Reached::of(&proxy, number);
    match (ended.code, ended.signal) {
        // Before it takes the lock there is nothing to clean up.
        (None, Some(signal)) => {
            assert_eq!((signal, reached), (Signal::INT.as_raw(), Reached::Request), "{what}");
            assert_eq!(drill.site.versions(), before, "{what}");
            return reached;
        }
        (Some(130), _) => {
            assert!(ended.stderr.contains("error: interrupted\n"), "{what}: {}", ended.stderr);
            assert!(ended.stderr.contains("run the same command again"), "{what}: {}", ended.stderr);
            let is_free = !plane.has(namespace, "configmap/relay-bundle.relay-loki")
                || !drill.site.head("relay-loki").as_object().unwrap().contains_key("lock");
            assert!(is_free, "{what}: {}", ended.stderr);
        }
        // It was so far that the rest was to be done.
        (Some(0), _) => assert!(proxy.seen().len() < number + 3, "{what}: {}", ended.stderr),
        _ => panic!("{what}: {ended:?}"),
    }
    // Nobody has to be waited for.
    drill.finish(&[], &what);

    assert_same(&state(plane, namespace), wanted, &what);
    reached
}

type Disturb = fn(&Drill, usize, When, &State) -> Reached;

/// Disturbs one write after the other, each time at another moment of it.
fn disturb_writes(name: &str, change: Change, each: usize, disturb: Disturb) {
    let Some(undisturbed) = undisturbed(name, change) else { return };
    for (index, number) in undisturbed.writes.iter().enumerate().step_by(each) {
        let drill = Drill::begin(&format!("{name}-{number}"), change).unwrap();
        disturb(&drill, *number, MOMENTS[(index / each) % MOMENTS.len()], &undisturbed.state);
    }
}

/// Disturbs every request at every moment of it.
fn disturb_all(name: &str, change: Change, moments: &[When], disturb: Disturb) {
    let Some(undisturbed) = undisturbed(name, change) else { return };
    let (mut runs, mut drill) = (0, None);
    for when in moments {
        for number in 1.. {
            let namespace = format!("{name}-{when:?}-{number}").to_lowercase();
            let place = drill.take().unwrap_or_else(|| Drill::begin(&namespace, change).unwrap());
            match disturb(&place, number, *when, &undisturbed.state) {
                Reached::End => break,
                // Nothing has happened to it.
                Reached::Request => drill = Some(place),
                Reached::Write => {}
            }
            runs += 1;
        }
    }
    println!(
        "{name}: {runs} runs were disturbed; an undisturbed one has {} requests, of which {} write",
        undisturbed.requests,
        undisturbed.writes.len()
    );
}

#[test]
fn a_first_installation_that_is_killed_at_a_write_is_run_again_to_the_same_state() {
    disturb_writes("killed-install", Change::FirstInstall, 4, kill);
}

#[test]
fn an_upgrade_that_is_killed_at_a_write_is_run_again_to_the_same_state() {
    disturb_writes("killed-upgrade", Change::UpgradeWithPrune, 4, kill);
}

#[test]
fn an_upgrade_that_is_asked_to_stop_gives_the_lock_back_and_can_be_run_again() {
    disturb_writes("stopped-upgrade", Change::UpgradeWithPrune, 4, interrupt);
}

#[test]
fn the_first_signal_lets_a_write_finish_and_the_second_one_does_not() {
    let Some(drill) = Drill::begin("stopped-twice", Change::FirstInstall) else { return };
    let is_it = |seen: &Seen| seen.is_write() && seen.path.contains("/services/");
    let proxy = Proxy::before(drill.plane(), move |seen| match seen {
        seen if is_it(seen) => Fault::Stall(Duration::from_secs(15)),
        _ => Fault::None,
    });
    let mut started = drill.site.start(&proxy, &drill.bundle, &CONSENT);
    let start = Instant::now();
    while !proxy.seen().iter().any(is_it) {
        assert!(start.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(20));
    }

    proxy.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    assert!(started.is_under_way());
    let second = Instant::now();
    proxy.signal(Signal::INT);
    let ended = started.end();

    assert!(second.elapsed() < Duration::from_secs(8), "{:?}", second.elapsed());
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stderr.contains("the lock could not be given back (interrupted)"), "{}", ended.stderr);
    drill.finish(&["--break-lock"], "twice");
}

#[test]
#[ignore = "some hundred runs, a quarter of an hour"]
fn a_run_that_is_killed_at_any_request_is_run_again_to_the_same_state() {
    disturb_all("kill-install", Change::FirstInstall, &MOMENTS, kill);
    disturb_all("kill-upgrade", Change::UpgradeWithPrune, &MOMENTS, kill);
}

#[test]
#[ignore = "some hundred runs, a quarter of an hour"]
fn a_run_that_is_asked_to_stop_at_any_request_gives_the_lock_back() {
    disturb_all("stop-install", Change::FirstInstall, &MOMENTS[..1], interrupt);
    disturb_all("stop-upgrade", Change::UpgradeWithPrune, &MOMENTS[2..], interrupt);
}
