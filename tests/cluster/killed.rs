//! Kills or interrupts `apply` at each of its requests, and then runs it again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use rustix::process::Signal;
use serde_json::Value;

use crate::control_plane::ControlPlane;
use crate::proxy::{Fault, Proxy, Seen, When};
use crate::site::Site;
use crate::started::Ended;
use crate::state::{State, objects, secrets, state, uids};

const MOMENTS: [When; 3] = [When::Before, When::During, When::After];

/// Settings whose objects an upgrade prunes.
const OLD: [&str; 3] = [
    "serviceAccount.name=\"own\"",
    "podDisruptionBudget.enabled=true",
    "podDisruptionBudget.maxUnavailable=1",
];
const NEW: [&str; 1] = ["config.logLevel=\"debug\""];

const CONSENT: [&str; 2] = ["--first-install", "--no-recovery"];

/// A namespace in which a change is tested.
struct Drill {
    site: Site,
    bundle: Utf8PathBuf,
}

/// The change to the cluster.
#[derive(Clone, Copy)]
enum Change {
    FirstInstall,
    UpgradeWithPrune,
}

impl Drill {
    fn begin(namespace: &str, change: Change) -> Option<Self> {
        let site = Site::new(namespace)?;
        site.plane.ensure(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n\
             apiVersion: v1\nkind: Secret\nmetadata: {{name: loki-credentials, namespace: {namespace}}}\n\
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
        // Kubernetes must not add its own objects to the namespace while two states are compared.
        site.versions();
        Some(Self { site, bundle })
    }

    /// Runs `apply` with a fault at one request.
    fn run(&self, number: usize, fault: Fault, arguments: &[&str]) -> (Ended, Proxy) {
        let script =
            move |seen: &Seen| if seen.number == number { fault.clone() } else { Fault::None };
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

    fn objects(&self) -> Vec<Value> {
        objects(self.site.plane, &self.site.namespace)
    }

    #[track_caller]
    fn assert_state(&self, objects: &[Value], wanted: &State, what: &str) {
        let found = state(objects, &self.site.namespace);
        let names = |state: &State| state.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(wanted), "{what}");
        for (name, object) in wanted {
            assert_eq!(&found[name], object, "{what}: {name}");
        }
    }

    fn plane(&self) -> &'static ControlPlane {
        self.site.plane
    }

    fn namespace(&self) -> &str {
        &self.site.namespace
    }
}

/// The result of an undisturbed run, and its write requests.
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
    Some(Undisturbed { state: state(&drill.objects(), namespace), writes, requests: seen.len() })
}

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// The run ended before the request.
    End,
    /// The run reached the request without a previous write.
    Request,
    /// The run reached the request after a previous write.
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
    let before = drill.objects();

    let (ended, proxy) = drill.run(number, Fault::Kill(when), &[]);
    let reached = Reached::of(&proxy, number);
    let killed = (reached != Reached::End).then_some(Signal::KILL.as_raw());
    assert_eq!(ended.signal, killed, "{what}: {ended:?}");
    let then = drill.objects();
    if reached == Reached::Request {
        drill.assert_state(&then, &state(&before, drill.namespace()), &what);
        return reached;
    }
    // Another test checks that an abandoned lock expires.
    drill.finish(&["--break-lock"], &what);

    let after = drill.objects();
    drill.assert_state(&after, wanted, &what);
    let secrets_after = secrets(&after);
    for (name, values) in secrets(&before).iter().chain(&secrets(&then)) {
        assert_eq!(secrets_after.get(name), Some(values), "{what}: {name} has other values");
    }
    let uids_after = uids(&after);
    for (name, uid) in uids(&before).iter().filter(|(name, _)| wanted.contains_key(*name)) {
        assert_eq!(uids_after.get(name), Some(uid), "{what}: {name} is another one");
    }
    reached
}

/// Interrupts a run at one request, and runs it again if it had begun to write.
fn interrupt(drill: &Drill, number: usize, when: When, wanted: &State) -> Reached {
    let what = format!("{}, request {number}, {when:?}", drill.namespace());
    let (plane, namespace) = (drill.plane(), drill.namespace());
    let before = drill.objects();

    let (ended, proxy) = drill.run(number, Fault::Signal(Signal::TERM, when), &[]);
    let reached = Reached::of(&proxy, number);
    match (ended.code, ended.signal) {
        // Before the run takes the lock, there is nothing to clean up.
        (None, Some(signal)) => {
            assert_eq!((signal, reached), (Signal::TERM.as_raw(), Reached::Request), "{what}");
            drill.assert_state(&drill.objects(), &state(&before, namespace), &what);
            return reached;
        }
        (Some(130), _) => {
            assert!(ended.stderr.contains("error: interrupted\n"), "{what}: {}", ended.stderr);
            assert!(
                ended.stderr.contains("run the same command again"),
                "{what}: {}",
                ended.stderr
            );
            let is_free = !plane.has(namespace, "configmap/relay-bundle.relay-loki")
                || !drill.site.head("relay-loki").as_object().unwrap().contains_key("lock");
            assert!(is_free, "{what}: {}", ended.stderr);
        }
        // The run was so far advanced that it finished.
        (Some(0), _) => assert!(proxy.seen().len() < number + 3, "{what}: {}", ended.stderr),
        _ => panic!("{what}: {ended:?}"),
    }
    // The lock is free, so the run does not wait.
    drill.finish(&[], &what);

    drill.assert_state(&drill.objects(), wanted, &what);
    reached
}

type Disturb = fn(&Drill, usize, When, &State) -> Reached;

/// Disturbs each write in turn, each at another moment.
fn disturb_writes(name: &str, change: Change, each: usize, disturb: Disturb) {
    let Some(undisturbed) = undisturbed(name, change) else { return };
    for (index, number) in undisturbed.writes.iter().enumerate().step_by(each) {
        let drill = Drill::begin(&format!("{name}-{number}"), change).unwrap();
        disturb(&drill, *number, MOMENTS[(index / each) % MOMENTS.len()], &undisturbed.state);
    }
}

/// Disturbs every request at the same moment.
fn disturb_all(name: &str, change: Change, when: When, disturb: Disturb) {
    let Some(undisturbed) = undisturbed(name, change) else { return };
    let (mut runs, mut writes, mut drill) = (0, 0, None);
    for number in 1.. {
        let place = drill
            .take()
            .unwrap_or_else(|| Drill::begin(&format!("{name}-{number}"), change).unwrap());
        match disturb(&place, number, when, &undisturbed.state) {
            Reached::End => break,
            // The namespace is unchanged, so the next run can use it.
            Reached::Request => drill = Some(place),
            Reached::Write => writes += 1,
        }
        runs += 1;
    }
    let (requests, all) = (undisturbed.requests, undisturbed.writes.len());
    let line = format!(
        "{name}: {runs} runs were disturbed, {writes} of them after they had begun to write; an \
         undisturbed one makes {requests} requests, of which {all} write\n"
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn first_install_killed_at_write_reaches_same_state_on_rerun() {
    disturb_writes("killed-install", Change::FirstInstall, 4, kill);
}

#[test]
fn upgrade_killed_at_write_reaches_same_state_on_rerun() {
    disturb_writes("killed-upgrade", Change::UpgradeWithPrune, 4, kill);
}

#[test]
fn interrupted_upgrade_releases_lock_and_can_be_rerun() {
    disturb_writes("stopped-upgrade", Change::UpgradeWithPrune, 4, interrupt);
}

#[test]
fn first_signal_lets_write_finish_and_second_aborts_it() {
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

    let slept = started.times_asleep();
    proxy.signal(Signal::TERM);
    // The program has received the first signal once it sleeps again; two simultaneous signals
    // would count as one.
    while started.times_asleep() == slept {
        assert!(start.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(started.is_under_way());
    let second = Instant::now();
    proxy.signal(Signal::TERM);
    let ended = started.end();

    assert!(second.elapsed() < Duration::from_secs(8), "{:?}", second.elapsed());
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot release the lock (interrupted)"), "{}", ended.stderr);
    drill.finish(&["--break-lock"], "twice");
}

// The following tests take some ten minutes each. Run them when the order of writes changes:
//
//     cargo test --test cluster -- --ignored --nocapture killed::

#[test]
#[ignore = "kills a hundred runs"]
fn first_install_recovers_from_kill_after_each_request() {
    disturb_all("kill-install-after", Change::FirstInstall, When::After, kill);
}

#[test]
#[ignore = "kills a hundred runs"]
fn first_install_recovers_from_kill_during_each_request() {
    disturb_all("kill-install-during", Change::FirstInstall, When::During, kill);
}

#[test]
#[ignore = "kills a hundred runs"]
fn upgrade_recovers_from_kill_before_each_request() {
    disturb_all("kill-upgrade-before", Change::UpgradeWithPrune, When::Before, kill);
}

#[test]
#[ignore = "kills a hundred runs"]
fn upgrade_recovers_from_kill_during_each_request() {
    disturb_all("kill-upgrade-during", Change::UpgradeWithPrune, When::During, kill);
}

#[test]
#[ignore = "stops a hundred runs"]
fn upgrade_recovers_from_interrupt_at_each_request() {
    disturb_all("stop-upgrade", Change::UpgradeWithPrune, When::After, interrupt);
}
