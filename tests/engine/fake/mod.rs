//! A Kubernetes API server in memory, without etcd and without controllers.
//!
//! It plays a subset; the table in `tests/support/api_table` runs against it *and* against a real
//! control plane.
//!
//! - Objects of the kinds that bundles have, or refer to, with `uid`, `resourceVersion`,
//!   `generation`, `creationTimestamp` and `managedFields`. Time stands still.
//! - GET; LIST with equality in `labelSelector` and `fieldSelector`, without pages and watches.
//! - POST, also with `generateName`; PUT, which refuses an old `resourceVersion`, and may change
//!   `managedFields`.
//! - PATCH as server-side apply only: lists merge by the keys of the schema, fields have owners,
//!   conflicts are refused or forced, fields that a manager no longer applies are removed unless
//!   another one owns them. Validation of fields is not played: unknown ones are stored.
//! - DELETE with preconditions; an object with finalizers is marked, and goes with the last one.
//!   Dependents stay, because no garbage collector runs.
//! - `dryRun=All` for all writes. A write that changes nothing makes no new version.
//! - Namespaces: no object is created in one that does not exist or is being deleted. A deleted one
//!   stays like that until the test removes it.
//! - Fields that do not change: data of an immutable ConfigMap or Secret, the type of a Secret,
//!   the selector of a Deployment, `spec` of a StatefulSet, class and modes of a PVC.
//! - Of defaults: `replicas`, `clusterIP`, `type` and `protocol` of a Service, the type of a Secret,
//!   the phase of a namespace.
//! - `/version`, `/apis/GROUP` and `SelfSubjectAccessReview`; 403 for each verb and resource that a
//!   test denies; 404 for groups that are not served.
//! - Status: [`Controllers::Quick`] makes each object ready when it is written; a test may also
//!   write the status itself.
//! - Faults at requests that a script chooses: [`Fault`].

mod answer;
mod apply;
mod difference;
mod fault;
mod fields;
mod handle;
mod kinds;
mod managers;
mod program;
mod refusal;
mod rules;
mod schema;
mod store;
mod verbs;
mod wire;

use std::io::{self, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

pub(crate) use fault::{Fault, Seen, When};
pub(crate) use handle::Handle;
use program::{Connection, Program};
pub(crate) use store::Controllers;
use store::Store;
use wire::{Request, Response};

/// The uid of the namespace `kube-system`, which identifies the cluster.
pub(crate) const CLUSTER_UID: &str = "00000000-0000-4000-8000-000000000001";

/// The certificate of an authority that signs nothing.
pub(crate) const AUTHORITY: &str = include_str!("authority.crt");

type Script = dyn Fn(&Seen, &Handle) -> Fault + Send + Sync;

/// A running server, which listens until it is dropped.
pub(crate) struct Fake {
    address: SocketAddr,
    handle: Handle,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    seen: Mutex<Vec<Seen>>,
    program: Arc<Program>,
    is_closed: AtomicBool,
}

impl Fake {
    pub(crate) fn start() -> Self {
        Self::serve(Store::new())
    }

    /// Starts another server with the same objects.
    pub(crate) fn copy(&self) -> Self {
        Self::serve(self.store().clone())
    }

    fn serve(store: Store) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let handle = Handle::new(store);
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(|_: &Seen, _: &Handle| Fault::None)),
            seen: Mutex::default(),
            program: Arc::default(),
            is_closed: AtomicBool::new(false),
        });
        let (of_thread, store) = (Arc::clone(&shared), handle.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, shared, store) =
                    (stream.unwrap(), Arc::clone(&of_thread), store.clone());
                let connection = Connection::new(&shared.program);
                // Some tests make the client hang up.
                std::thread::spawn(move || {
                    shared.serve(&stream, &store).ok();
                    drop((stream, connection));
                });
            }
        });
        Self { address, handle, shared }
    }

    /// Returns a kubeconfig for the server.
    pub(crate) fn kubeconfig(&self) -> String {
        // With an authority, the client need not read the certificates of the system.
        let authority = STANDARD.encode(AUTHORITY);
        let server = format!("http://{}", self.address);
        let cluster = json!({"server": server, "certificate-authority-data": authority});
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": cluster}],
            "users": [{"name": "tester", "user": {"token": "a-token"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "tester"}}]})
        .to_string()
    }

    /// Runs a program that uses the server, and returns its process id and its output.
    pub(crate) fn run(&self, command: &mut Command) -> (u32, Output) {
        self.shared.program.run(command)
    }

    /// Forgets the requests so far, and chooses the fault of each later one.
    pub(crate) fn script(&self, script: impl Fn(&Seen, &Handle) -> Fault + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
        self.shared.seen.lock().unwrap().clear();
    }

    /// Forgets the requests so far, and injects no more faults.
    pub(crate) fn recover(&self) {
        self.script(|_, _| Fault::None);
    }

    /// Returns the requests since the script was set.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the methods and paths of the writes since the script was set, without queries.
    pub(crate) fn writes(&self) -> Vec<String> {
        let writes = self.seen().into_iter().filter(Seen::is_write);
        let line = |seen: Seen| format!("{} {}", seen.method, seen.path.split('?').next().unwrap());
        writes.map(line).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // A connection wakes the listener, which then sees that it is closed.
        TcpStream::connect(self.address).ok();
    }
}

impl std::ops::Deref for Fake {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Shared {
    /// Serves one connection until it is closed.
    fn serve(&self, stream: &TcpStream, store: &Handle) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut incoming = BufReader::new(stream);
        while let Some(request) = Request::read(&mut incoming)? {
            match self.answer(&request, store) {
                Some(answer) => answer.write(stream)?,
                None => return stream.shutdown(Shutdown::Both),
            }
        }
        Ok(())
    }

    /// Returns the answer, or `None` if the connection is to close.
    fn answer(&self, request: &Request, store: &Handle) -> Option<Response> {
        let seen = self.note(request);
        if self.program.is_killed() {
            return None;
        }
        let script = Arc::clone(&self.script.lock().unwrap());
        let handle = || store.store().answer(request);
        match script(&seen, store) {
            Fault::None => Some(handle()),
            Fault::Cut(When::Before) => None,
            Fault::Cut(When::After) => {
                handle();
                None
            }
            Fault::Answer(code, header, body) => {
                let mut answer = Response::text(code, "application/json", body);
                if !header.is_empty() {
                    answer.headers += &[header, "\r\n"].concat();
                }
                Some(answer)
            }
            Fault::Stall(duration) => {
                let answer = handle();
                std::thread::sleep(duration);
                Some(answer)
            }
            Fault::Kill(when) => {
                if when == When::After {
                    handle();
                }
                self.program.kill();
                None
            }
        }
    }

    fn note(&self, request: &Request) -> Seen {
        let mut all = self.seen.lock().unwrap();
        let (method, path) = (request.method.clone(), request.target.clone());
        let seen = Seen { number: all.len() + 1, method, path };
        all.push(seen.clone());
        seen
    }
}
