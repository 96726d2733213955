//! Sends requests to the API server.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kube::Client;
use kube::client::Body;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::body::{Lost, receive};
use super::connection::{Access, ConnectError, ConnectWarning, Connection};
use super::credentials::Credentials;
use super::error::{CallError, Status};
use super::handshake::{self, Failure};
use super::kubeconfig;
use super::request::{Method, Request};
use super::resource::Answer;
use super::retry::{ATTEMPTS_MAX, Trouble, delay};
use super::secret::Secret;
use super::signals::{Manner, Signals, unless_stopped};
use super::transport::Encryption;
use crate::model::object_key::{ObjectKey, is_uid};
use crate::model::url::without_user_info;

/// The time limit for a whole answer, even if it keeps arriving slowly.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The same limit while the user waits for the program to end.
const ANSWER_HURRIED_MAX: Duration = Duration::from_secs(5);

/// The number of parallel requests.
const PARALLEL: usize = 8;

/// The maximum length of a server version: those of vendors have about thirty characters.
const VERSION_BYTES_MAX: usize = 128;

/// A cluster, accessed through one kubeconfig context.
pub struct Cluster {
    runtime: Runtime,
    sender: Sender,
    /// The deadline for writes, if any.
    fence: Cell<Option<Instant>>,
    /// The retry limits of a request.
    patience: Cell<Patience>,
    /// The signal handlers, once installed.
    signals: RefCell<Option<Signals>>,
    /// The name of the context.
    pub context: String,
    /// The address of the API server.
    pub server: String,
    /// The default namespace of the context.
    pub namespace: String,
    /// The proxy without its login.
    proxy: Option<String>,
    /// Whether the kubeconfig has no credentials.
    is_anonymous: bool,
    /// Settings that the user should know about.
    pub warnings: Vec<ConnectWarning>,
}

/// An answer of the API server.
trait Reply: DeserializeOwned {
    fn kind(&self) -> Option<&str>;
    fn name(&self) -> Option<&str>;
}

impl Reply for Value {
    fn kind(&self) -> Option<&str> {
        self.get("kind")?.as_str()
    }

    fn name(&self) -> Option<&str> {
        self.pointer("/metadata/name")?.as_str()
    }
}

impl Reply for Secret {
    fn kind(&self) -> Option<&str> {
        Some(self.kind())
    }

    fn name(&self) -> Option<&str> {
        self.name()
    }
}

/// Identifies a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
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
    pub fn connect(access: &Access) -> Result<Self, ConnectError> {
        let Connection { context, namespace, server, proxy, transport, warnings } =
            Connection::decide(access)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ConnectError::Client(error.to_string()))?;
        let is_anonymous = transport.is_anonymous;
        let (credentials, encryption) = (Arc::clone(&transport.credentials), transport.encryption);
        let client = runtime.block_on(async { transport.client(proxy.as_ref()) })?;
        Ok(Self {
            runtime,
            sender: Sender { client, credentials, encryption },
            fence: Cell::new(None),
            patience: Cell::new(Patience::USUAL),
            signals: RefCell::new(None),
            context,
            server,
            namespace,
            proxy: proxy.map(|proxy| proxy.to_string()),
            is_anonymous,
            warnings,
        })
    }

    /// Requests the identity of the cluster; this is the first request.
    ///
    /// # Errors
    ///
    /// When the server does not answer or denies access.
    pub fn identity(&self) -> Result<Identity, CallError> {
        let system = self.call(&Request::get_path("/api/v1/namespaces/kube-system"))?;
        let uid = told(&system, "/metadata/uid", is_uid)?;
        let version = self.call(&Request::get_path("/version"))?;
        Ok(Identity { uid, version: told(&version, "/gitVersion", is_version)? })
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

    /// Creates a new Secret, or replaces the version that was read; returns the stored Secret.
    ///
    /// # Errors
    ///
    /// Same as [`Cluster::call`]; with code 409 if the Secret exists already or was changed since
    /// it was read.
    pub fn put_secret(&self, key: &ObjectKey, secret: &Secret) -> Result<Secret, CallError> {
        let request = if secret.resource_version().is_empty() {
            Request::create_secret(key, secret)
        } else {
            Request::replace_secret(key, secret)
        };
        self.call_until(&request, self.fence.get())
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

    /// Sets a deadline for writes, except for those of [`Cluster::call_unfenced`].
    pub fn fence(&self, until: Option<Instant>) {
        self.fence.set(until);
    }

    /// Installs handlers by which SIGINT and SIGTERM end the current call or pause instead of the
    /// process. A running write may finish, unless a second signal arrives.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub fn heed_signals(&self) -> std::io::Result<()> {
        let mut signals = self.signals.borrow_mut();
        self.patience.set(Patience::USUAL);
        if let Some(signals) = signals.as_mut() {
            signals.takes(1);
            return Ok(());
        }
        let _inside = self.runtime.enter();
        *signals = Some(Signals::heed()?);
        Ok(())
    }

    /// Requires a second signal to stop the following calls, which clean up after the first one.
    pub fn overlook_first_signal(&self) {
        if let Some(signals) = self.signals.borrow_mut().as_mut() {
            signals.takes(2);
        }
    }

    /// Limits the following calls to one retry and a few seconds: the user waits for the report of
    /// another failure.
    pub fn hurry(&self) {
        self.patience.set(Patience::HURRIED);
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
    /// When the server refuses it, or does not answer after all retries; for a write, also when the
    /// deadline has passed.
    pub fn call(&self, request: &Request) -> Result<Value, CallError> {
        let until = if request.is_write() { self.fence.get() } else { None };
        self.call_until(request, until)
    }

    /// Same as [`Cluster::call`], for a write that states its own preconditions.
    ///
    /// # Errors
    ///
    /// Same as [`Cluster::call`].
    pub fn call_unfenced(&self, request: &Request) -> Result<Value, CallError> {
        self.call_until(request, None)
    }

    fn call_until<T: Reply>(
        &self,
        request: &Request,
        until: Option<Instant>,
    ) -> Result<T, CallError> {
        let mut signals = self.signals.borrow_mut();
        let limits = Limits { until, patience: self.patience.get() };
        let answer = self.runtime.block_on(call(
            self.sender.clone(),
            request.clone(),
            limits,
            signals.as_mut(),
        ));
        answer.map_err(|error| self.place(error))
    }

    /// Sends independent read requests in parallel, and returns the answers in the same order.
    pub fn call_all(&self, requests: &[Request]) -> Vec<Result<Value, CallError>> {
        let mut answers = Vec::with_capacity(requests.len());
        for some in requests.chunks(PARALLEL) {
            let limits = Limits { until: None, patience: self.patience.get() };
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
        let through = self.proxy.as_ref().map(|proxy| format!(", through the proxy {proxy}"));
        error.about(&format!(
            "{} of context `{}`{}",
            self.server,
            self.context,
            through.unwrap_or_default()
        ))
    }

    fn run<T>(&self, manner: Manner, work: impl Future<Output = T>) -> Option<T> {
        let mut signals = self.signals.borrow_mut();
        self.runtime.block_on(unless_stopped(signals.as_mut(), manner, work))
    }
}

fn unexpected(what: String) -> CallError {
    CallError::Unexpected { server: String::new(), what }
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

/// The limits of a request with its retries.
#[derive(Clone, Copy, Debug)]
struct Limits {
    until: Option<Instant>,
    patience: Patience,
}

/// How often a request is sent, and the time limit for each answer.
#[derive(Clone, Copy, Debug)]
struct Patience {
    attempts: u32,
    answer: Duration,
}

impl Patience {
    const USUAL: Self = Self { attempts: ATTEMPTS_MAX, answer: ANSWER_MAX };
    const HURRIED: Self = Self { attempts: 2, answer: ANSWER_HURRIED_MAX };
}

/// Sends requests with credentials that are renewed before they expire.
#[derive(Clone)]
struct Sender {
    client: Client,
    credentials: Arc<Credentials>,
    encryption: Encryption,
}

impl Sender {
    /// Renews credentials that expire soon. The time that a credential plugin takes does not count
    /// towards the time limit of an answer.
    async fn renew(&self) -> Result<(), CallError> {
        if !self.credentials.can_expire() {
            return Ok(());
        }
        let credentials = Arc::clone(&self.credentials);
        let (done, renewed) = oneshot::channel();
        // A thread outside of the runtime, so that a signal can stop the program without waiting
        // for it.
        std::thread::spawn(move || done.send(credentials.renew()));
        let renewed = renewed.await.expect("the thread sends what it returns");
        renewed.map_err(CallError::Plugin)
    }
}

/// Sends a request until it succeeds or is refused, the deadline passes, or a signal asks to stop.
async fn call<T: Reply>(
    sender: Sender,
    request: Request,
    limits: Limits,
    mut signals: Option<&mut Signals>,
) -> Result<T, CallError> {
    let manner = if request.is_write() { Manner::Finish } else { Manner::Drop };
    let mut attempt = 1;
    let mut why = None;
    loop {
        let renewed = unless_stopped(signals.as_deref_mut(), Manner::Drop, sender.renew()).await;
        renewed.ok_or(CallError::Interrupted)??;
        let sending = send_before(limits, &sender, &request);
        let answer = unless_stopped(signals.as_deref_mut(), manner, sending).await;
        let (error, trouble) = match answer.ok_or(CallError::Interrupted)? {
            None => return Err(CallError::Late(why.unwrap_or_default())),
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(failed)) => failed,
        };
        let delay = delay(attempt, trouble).filter(|_| attempt < limits.patience.attempts);
        let Some(delay) = delay else { return Err(error) };
        why = Some(format!(": {error}"));
        let pause = unless_stopped(signals.as_deref_mut(), Manner::Drop, tokio::time::sleep(delay));
        pause.await.ok_or(CallError::Interrupted)?;
        attempt += 1;
    }
}

type Sent<T> = Result<T, (CallError, Trouble)>;

/// Sends a request once; returns `None` if the deadline passes before or during the request.
async fn send_before<T: Reply>(
    limits: Limits,
    sender: &Sender,
    request: &Request,
) -> Option<Sent<T>> {
    let whole = limits.patience.answer;
    let sending = async {
        let sent = tokio::time::timeout(whole, send(sender, request)).await;
        sent.unwrap_or_else(|_| {
            let why = format!("no complete answer within {} s", whole.as_secs());
            Err((CallError::Transport(why), Trouble::Slow))
        })
    };
    match limits.until {
        None => Some(sending.await),
        Some(until) if until <= Instant::now() => None,
        Some(until) => tokio::time::timeout_at(until.into(), sending).await.ok(),
    }
}

async fn send<T: Reply>(sender: &Sender, request: &Request) -> Sent<T> {
    let cut = |why: String| (CallError::Transport(why), Trouble::Transport);
    // Final: the server would send the same certificate and use the same protocol again.
    let lost = |error: &kube::Error| match (handshake::failure(error), sender.encryption) {
        (Some(Failure::Tls(why)), _) => (CallError::Certificate(why), Trouble::Final),
        (Some(Failure::NoTls), _) => (CallError::TlsMissing(String::new()), Trouble::Final),
        (Some(Failure::NoHttp), Encryption::Absent) => {
            (CallError::TlsExpected(String::new()), Trouble::Final)
        }
        (Some(Failure::NoHttp) | None, _) => cut(kubeconfig::words(error)),
    };
    let sent = http_request(request).map_err(|error| (error, Trouble::Final))?;
    let response = sender.client.send(sent).await.map_err(|error| lost(&error))?;
    let (code, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let to = header(response.headers(), &http::header::LOCATION).map(str::to_owned);
    let wanted = Answer::to(request.method, &request.path);
    let body =
        receive(response.into_body(), wanted.bytes_max()).await.map_err(|why| match why {
            Lost::Cut(error) => lost(&error),
            Lost::TooLarge(bytes_max) => (CallError::TooLarge { bytes_max }, Trouble::Final),
        })?;
    if code < 300 {
        // Parser messages may quote a value.
        let whole = serde_json::from_slice::<T>(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let what = format!("the JSON of {wanted} (line {line}, column {column})");
            (unexpected(what), Trouble::Transport)
        })?;
        return if wanted.is(whole.kind(), whole.name()) {
            Ok(whole)
        } else {
            let what = format!("{wanted}: a proxy may have answered");
            Err((unexpected(what), Trouble::Transport))
        };
    }
    if let (300..=399, Some(to)) = (code, to) {
        let to = without_user_info(&to).into_owned();
        return Err((CallError::Elsewhere { code, to }, Trouble::Final));
    }
    if (code, sender.encryption) == (400, Encryption::Absent) && !is_json(&body) {
        // Servers that expect TLS answer plain HTTP this way.
        return Err((CallError::TlsExpected(String::new()), Trouble::Final));
    }
    let status = Status::of(code, &body);
    let is_race =
        request.method == Method::Apply && status.causes.is_empty() && status.more_causes == 0;
    let status = if request.carries_secret() { status.without_words() } else { status };
    Err((CallError::Status(Box::new(status)), Trouble::Status { code, retry_after, is_race }))
}

fn http_request(request: &Request) -> Result<http::Request<Body>, CallError> {
    let (method, content_type) = match request.method {
        Method::Get => (http::Method::GET, "application/json"),
        Method::Post => (http::Method::POST, "application/json"),
        Method::Put => (http::Method::PUT, "application/json"),
        Method::Apply => (http::Method::PATCH, "application/apply-patch+yaml"),
        Method::Delete => (http::Method::DELETE, "application/json"),
    };
    http::Request::builder()
        .method(method)
        .uri(&request.path)
        .header(http::header::CONTENT_TYPE, content_type)
        .header(http::header::ACCEPT, "application/json")
        .body(Body::from(Bytes::from_owner(request.body.clone())))
        .map_err(|error| CallError::Unsendable(format!("{}: {error}", request.path.escape_debug())))
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = header(headers, &http::header::RETRY_AFTER)?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn header<'a>(headers: &'a http::HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_cannot_be_sent_is_an_error_and_one_that_can_is_sent_as_it_is() {
        let sent =
            |path: &str| http_request(&Request::get_path(path)).map(|sent| sent.uri().to_string());

        assert_eq!(sent("/api/v1/pods?limit=1").ok().as_deref(), Some("/api/v1/pods?limit=1"));
        for path in ["/api/v1/a b", "/api/v1/\u{1b}[2J", "/\n"] {
            let why = sent(path).unwrap_err().to_string();
            assert!(why.starts_with("invalid request: /"), "{why}");
            assert!(!why.contains(|c: char| c.is_control()), "{why}");
        }
    }
}
