//! Sends one request: with credentials, within the limits of time, and again after a temporary
//! failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kube::Client;
use kube::client::Body;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::body::{Lost, receive};
use super::credentials::Credentials;
use super::error::{ApiStatus, CallError};
use super::handshake::{self, HandshakeFailure};
use super::kubeconfig;
use super::outage::{OutageWatch, Silence};
use super::request::{Method, Request};
use super::retry::{Patience, RequestProblem};
use super::secret::Secret;
use super::signals::{Manner, Signals, unless_stopped};
use super::transport::Encryption;
use crate::model::url::without_user_info;

/// An answer of the API server.
pub(super) trait Reply: DeserializeOwned {
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

/// The limits of a request with its retries.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLimits {
    pub(super) until: Option<Instant>,
    pub(super) patience: Patience,
}

/// Sends requests with credentials that are renewed before they expire.
#[derive(Clone)]
pub(super) struct ApiSender {
    pub(super) client: Client,
    pub(super) credentials: Arc<Credentials>,
    pub(super) encryption: Encryption,
    pub(super) watch: Option<OutageWatch>,
}

impl ApiSender {
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
pub(super) async fn call<T: Reply>(
    sender: ApiSender,
    request: Request,
    limits: RequestLimits,
    mut signals: Option<&mut Signals>,
) -> Result<T, CallError> {
    let manner = if request.is_write() { Manner::Finish } else { Manner::Drop };
    let mut attempt = 1;
    let mut why = None;
    let mut silence = None;
    loop {
        let renewed = unless_stopped(signals.as_deref_mut(), Manner::Drop, sender.renew()).await;
        renewed.ok_or(CallError::Interrupted)??;
        // Credentials may have taken a while.
        let silence = silence.get_or_insert_with(|| Silence::begin(sender.watch.as_ref()));
        let sending = silence.during(send_before(limits, &sender, &request));
        let answer = unless_stopped(signals.as_deref_mut(), manner, sending).await;
        let (error, problem) = match answer.ok_or(CallError::Interrupted)? {
            None => return Err(CallError::Late(why.unwrap_or_default())),
            Some(Ok(answer)) => {
                silence.answered();
                return Ok(answer);
            }
            Some(Err(failed)) => failed,
        };
        if error.is_answer() {
            silence.answered();
        } else {
            silence.failed(&error);
        }
        let delay = limits.patience.delay(attempt, problem);
        let Some(delay) = delay else { return Err(error) };
        why = Some(format!(": {error}"));
        let pause = silence.during(tokio::time::sleep(delay));
        let pause = unless_stopped(signals.as_deref_mut(), Manner::Drop, pause);
        pause.await.ok_or(CallError::Interrupted)?;
        attempt += 1;
    }
}

type Sent<T> = Result<T, (CallError, RequestProblem)>;

/// Sends a request once; returns `None` if the deadline passes before or during the request.
async fn send_before<T: Reply>(
    limits: RequestLimits,
    sender: &ApiSender,
    request: &Request,
) -> Option<Sent<T>> {
    let whole = limits.patience.answer;
    let sending = async {
        let sent = tokio::time::timeout(whole, send(sender, request)).await;
        sent.unwrap_or_else(|_| {
            let why = format!("no complete answer within {} s", whole.as_secs());
            Err((CallError::Transport(why), RequestProblem::Slow))
        })
    };
    match limits.until {
        None => Some(sending.await),
        Some(until) if until <= Instant::now() => None,
        Some(until) => tokio::time::timeout_at(until.into(), sending).await.ok(),
    }
}

async fn send<T: Reply>(sender: &ApiSender, request: &Request) -> Sent<T> {
    let cut = |why: String| (CallError::Transport(why), RequestProblem::Transport);
    // Final: the server would send the same certificate and use the same protocol again.
    let lost = |error: &kube::Error| match (handshake::failure(error), sender.encryption) {
        (Some(HandshakeFailure::Tls(why)), _) => {
            (CallError::Certificate(why), RequestProblem::Final)
        }
        (Some(HandshakeFailure::NoTls), _) => {
            (CallError::TlsMissing(String::new()), RequestProblem::Final)
        }
        (Some(HandshakeFailure::NoHttp), Encryption::Absent) => {
            (CallError::TlsExpected(String::new()), RequestProblem::Final)
        }
        (Some(HandshakeFailure::NoHttp) | None, _) => cut(kubeconfig::words(error)),
    };
    let sent = http_request(request).map_err(|error| (error, RequestProblem::Final))?;
    let response = sender.client.send(sent).await.map_err(|error| lost(&error))?;
    let (code, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let to = header(response.headers(), &http::header::LOCATION).map(str::to_owned);
    let wanted = Answer::to(request.method, &request.path);
    let body =
        receive(response.into_body(), wanted.bytes_max()).await.map_err(|why| match why {
            Lost::Cut(error) => lost(&error),
            Lost::TooLarge(bytes_max) => (CallError::TooLarge { bytes_max }, RequestProblem::Final),
        })?;
    if code < 300 {
        // Parser messages may quote a value.
        let whole = serde_json::from_slice::<T>(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let what = format!("the JSON of {wanted} (line {line}, column {column})");
            (unexpected(what), RequestProblem::Transport)
        })?;
        return if wanted.is(whole.kind(), whole.name()) {
            Ok(whole)
        } else {
            let what = format!("{wanted}: a proxy may have answered");
            Err((unexpected(what), RequestProblem::Transport))
        };
    }
    if let (300..=399, Some(to)) = (code, to) {
        let to = without_user_info(&to).into_owned();
        return Err((CallError::Elsewhere { code, to }, RequestProblem::Final));
    }
    if (code, sender.encryption) == (400, Encryption::Absent) && !is_json(&body) {
        // Servers that expect TLS answer plain HTTP this way.
        return Err((CallError::TlsExpected(String::new()), RequestProblem::Final));
    }
    let status = ApiStatus::of(code, &body);
    let is_race =
        request.method == Method::Apply && status.causes.is_empty() && status.more_causes == 0;
    let status = if request.carries_secret() { status.without_words() } else { status };
    Err((
        CallError::Status(Box::new(status)),
        RequestProblem::Status { code, retry_after, is_race },
    ))
}

pub(super) fn unexpected(what: String) -> CallError {
    CallError::Unexpected { server: String::new(), what }
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
    fn valid_path_is_sent_unchanged_and_invalid_path_is_error() {
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
