//! Reads a cluster.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::connect_error::ConnectError;
use super::connection::{ClusterAccess, Connection};
use super::error::CallError;
use super::outage::{OutageObserver, OutageWatch};
use super::request::Request;
use super::retry::Patience;
use super::secret::Secret;
use super::sending::{ApiSender, Reply, RequestLimits, call, unexpected};
use super::signals::{Manner, Signals, unless_stopped};
use crate::model::object_key::{ObjectKey, is_uid};

/// The number of parallel requests.
const PARALLEL: usize = 8;

/// The maximum length of a server version: those of vendors have about thirty characters.
const VERSION_BYTES_MAX: usize = 128;

/// A cluster, accessed through one kubeconfig context. It only reads; a [`super::Session`] writes.
#[derive(Clone)]
pub struct Cluster {
    pub(super) runtime: Rc<Runtime>,
    sender: ApiSender,
    /// The retry limits of a request.
    pub(super) patience: Patience,
    /// The signal handlers of a session, which every call and pause polls.
    pub(super) signals: Option<Rc<RefCell<Signals>>>,
    /// The name of the context.
    pub context: String,
    /// The address of the API server.
    server: String,
    /// The default namespace of the context.
    pub namespace: String,
    /// The proxy without its login.
    proxy: Option<String>,
    /// Whether the kubeconfig has no credentials.
    is_anonymous: bool,
    /// Whether the kubeconfig says not to verify the server's certificate.
    pub is_unverified: bool,
}

/// Identifies a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// The uid of the namespace `kube-system`.
    pub uid: String,
    /// The server's version, such as `v1.37.0`.
    pub version: String,
}

impl Cluster {
    /// Reads the kubeconfig and creates a client, without sending a request.
    ///
    /// # Errors
    ///
    /// When the kubeconfig or the context does not exist, or its credentials cannot be read.
    pub fn connect(access: &ClusterAccess) -> Result<Self, ConnectError> {
        let Connection { context, namespace, server, proxy, transport } =
            Connection::decide(access)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ConnectError::Client(error.to_string()))?;
        let is_anonymous = transport.is_anonymous;
        let is_unverified = transport.config.accept_invalid_certs;
        let (credentials, encryption) = (Arc::clone(&transport.credentials), transport.encryption);
        let client = runtime.block_on(async { transport.client(proxy.as_ref()) })?;
        Ok(Self {
            runtime: Rc::new(runtime),
            sender: ApiSender { client, credentials, encryption, watch: None },
            patience: Patience::USUAL,
            signals: None,
            context,
            server,
            namespace,
            proxy: proxy.map(|proxy| proxy.to_string()),
            is_anonymous,
            is_unverified,
        })
    }

    /// Has outages of the API server observed while requests are retried.
    #[must_use]
    pub fn observed_by(mut self, observe: Arc<OutageObserver>) -> Self {
        self.sender.watch = Some(OutageWatch::new(self.place_name(), observe));
        self
    }

    /// Requests the identity of the cluster; this is the first request.
    ///
    /// # Errors
    ///
    /// When the server does not answer or denies access.
    pub fn identity(&self) -> Result<ClusterIdentity, CallError> {
        let system = self.call(&Request::get_path("/api/v1/namespaces/kube-system"))?;
        let uid = told(&system, "/metadata/uid", is_uid)?;
        let version = self.call(&Request::get_path("/version"))?;
        Ok(ClusterIdentity { uid, version: told(&version, "/gitVersion", is_version)? })
    }

    /// Returns an object, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// When the server does not answer or denies access.
    pub fn find(&self, key: &ObjectKey) -> Result<Option<Value>, CallError> {
        found(self.call(&Request::get(key)))
    }

    /// Returns a Secret, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Same as [`Cluster::find`].
    pub fn find_secret(&self, key: &ObjectKey) -> Result<Option<Secret>, CallError> {
        found(self.call_until(&Request::get(key), None))
    }

    /// Returns the objects that exist.
    ///
    /// # Errors
    ///
    /// Same as [`Cluster::find`].
    pub fn find_all(&self, keys: &[ObjectKey]) -> Result<BTreeMap<ObjectKey, Value>, CallError> {
        let requests: Vec<Request> = keys.iter().map(Request::get).collect();
        let mut there = BTreeMap::new();
        for (key, answer) in keys.iter().zip(self.call_all(&requests)) {
            there.extend(found(answer)?.map(|object| (key.clone(), object)));
        }
        Ok(there)
    }

    /// Sends a list request, and returns its items.
    ///
    /// # Errors
    ///
    /// Same as [`Cluster::call`].
    pub fn list(&self, request: &Request) -> Result<Vec<Value>, CallError> {
        let mut list = self.call(request)?;
        Ok(list
            .get_mut("items")
            .and_then(Value::as_array_mut)
            .map(std::mem::take)
            .unwrap_or_default())
    }

    /// Waits.
    ///
    /// # Errors
    ///
    /// When a signal asks to stop.
    pub fn pause(&self, duration: Duration) -> Result<(), CallError> {
        // The timer must be created inside the runtime.
        self.run(Manner::Drop, async { tokio::time::sleep(duration).await })
            .ok_or(CallError::Interrupted)
    }

    /// Sends a request until it succeeds or is refused.
    ///
    /// # Errors
    ///
    /// When the server refuses it, or does not answer after all retries.
    pub fn call(&self, request: &Request) -> Result<Value, CallError> {
        self.call_until(request, None)
    }

    /// Same as [`Cluster::call`], with a deadline.
    pub(super) fn call_until<T: Reply>(
        &self,
        request: &Request,
        until: Option<Instant>,
    ) -> Result<T, CallError> {
        let limits = RequestLimits { until, patience: self.patience };
        let mut signals = self.signals.as_ref().map(|signals| signals.borrow_mut());
        let answer = self.runtime.block_on(call(
            self.sender.clone(),
            request.clone(),
            limits,
            signals.as_deref_mut(),
        ));
        answer.map_err(|error| self.place(error))
    }

    /// Sends independent read requests in parallel, and returns the answers in the same order.
    pub fn call_all(&self, requests: &[Request]) -> Vec<Result<Value, CallError>> {
        let mut answers = Vec::with_capacity(requests.len());
        for some in requests.chunks(PARALLEL) {
            let limits = RequestLimits { until: None, patience: self.patience };
            let all = self.run(Manner::Drop, async {
                let calls: Vec<_> = some
                    .iter()
                    .map(|request| {
                        tokio::spawn(call(self.sender.clone(), request.clone(), limits, None))
                    })
                    .collect();
                let mut all = Vec::with_capacity(some.len());
                for call in calls {
                    let lost =
                        |error: tokio::task::JoinError| CallError::Transport(error.to_string());
                    all.push(call.await.map_err(lost).flatten().map_err(|error| self.place(error)));
                }
                all
            });
            answers.extend(
                all.unwrap_or_else(|| some.iter().map(|_| Err(CallError::Interrupted)).collect()),
            );
        }
        answers
    }

    /// Adds the server, the context and the lack of credentials to an error.
    fn place(&self, error: CallError) -> CallError {
        let error = if self.is_anonymous { error.anonymous() } else { error };
        error.about(&self.place_name())
    }

    fn place_name(&self) -> String {
        let through = self.proxy.as_ref().map(|proxy| format!(", through the proxy {proxy}"));
        format!("{} of context `{}`{}", self.server, self.context, through.unwrap_or_default())
    }

    fn run<T>(&self, manner: Manner, work: impl Future<Output = T>) -> Option<T> {
        let mut signals = self.signals.as_ref().map(|signals| signals.borrow_mut());
        self.runtime.block_on(unless_stopped(signals.as_deref_mut(), manner, work))
    }
}

/// Returns a text of an answer that is shown to the user unchanged.
fn told(answer: &Value, pointer: &str, is_possible: fn(&str) -> bool) -> Result<String, CallError> {
    let text = answer.pointer(pointer).and_then(Value::as_str).filter(|text| is_possible(text));
    text.map(str::to_owned)
        .ok_or_else(|| unexpected(format!("from an API server: `{pointer}` is missing or invalid")))
}

/// Returns whether a text looks like a server version, including vendor suffixes.
fn is_version(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+_~".contains(&byte);
    (1..=VERSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Converts status 404 to `None`.
///
/// # Errors
///
/// Same as `answer`, except for 404.
pub(super) fn found<T>(answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match answer {
        Err(error) if error.code() == 404 => Ok(None),
        answer => answer.map(Some),
    }
}
