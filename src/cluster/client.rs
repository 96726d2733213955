//! Sends requests.

use std::time::Duration;

use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::error::{CallError, Status};
use super::request::{Method, Request};
use super::retry::{Trouble, delay};
use crate::model::object_key::ObjectKey;

/// How long an answer may take; a call that stalls longer is made again.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many requests are under way at once.
const PARALLEL: usize = 8;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct Access {
    /// The kubeconfig files; earlier ones win.
    pub kubeconfigs: Vec<String>,
    /// The context; else the current one.
    pub context: Option<String>,
}

/// Why there is no connection to speak of.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    #[error("the client cannot be made: {0}")]
    Client(String),
}

/// A cluster, through one context.
pub struct Cluster {
    runtime: Runtime,
    client: Client,
    /// The name of the context.
    pub context: String,
    /// Where the API server is.
    pub server: String,
    /// The namespace that the context means when none is named.
    pub namespace: String,
}

/// Which cluster it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The uid of the namespace `kube-system`.
    pub uid: String,
    /// The server's version, such as `v1.37.0`.
    pub version: String,
}

impl Cluster {
    /// Reads the kubeconfig and makes a client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When there is no such file or context, or its credentials cannot be read.
    pub fn connect(access: &Access) -> Result<Self, ConnectError> {
        let (config, context) = read_config(access)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ConnectError::Client(error.to_string()))?;
        let config = runtime
            .block_on(Config::from_custom_kubeconfig(
                config,
                &KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() },
            ))
            .map_err(|error| ConnectError::Kubeconfig(chain(&error)))?;
        let (server, namespace) = (config.cluster_url.to_string(), config.default_namespace.clone());
        let client = runtime.block_on(async { client(config) })?;
        Ok(Self { runtime, client, context, server, namespace })
    }

    /// Asks which cluster this is: the first request.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or does not let us see.
    pub fn identity(&self) -> Result<Identity, CallError> {
        let text = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let system = self.call(&Request::get_path("/api/v1/namespaces/kube-system"))?;
        let version = self.call(&Request::get_path("/version"))?;
        Ok(Identity { uid: text(&system, "/metadata/uid"), version: text(&version, "/gitVersion") })
    }

    /// Returns an object, or none if it is not there.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or does not let us see.
    pub fn find(&self, key: &ObjectKey) -> Result<Option<Value>, CallError> {
        found(self.call(&Request::get(key)))
    }

    /// Sends a request until it is done or refused.
    ///
    /// # Errors
    ///
    /// When the server refuses it, or does not answer however often it is asked.
    pub fn call(&self, request: &Request) -> Result<Value, CallError> {
        self.runtime.block_on(call(self.client.clone(), request.clone()))
    }

    /// Sends requests that do not depend on each other; the answers are in their order.
    pub fn call_all(&self, requests: &[Request]) -> Vec<Result<Value, CallError>> {
        let mut answers = Vec::with_capacity(requests.len());
        for some in requests.chunks(PARALLEL) {
            self.runtime.block_on(async {
                let calls: Vec<_> = some
                    .iter()
                    .map(|request| tokio::spawn(call(self.client.clone(), request.clone())))
                    .collect();
                for call in calls {
                    let lost = |error: tokio::task::JoinError| CallError::Transport(error.to_string());
                    answers.push(call.await.map_err(lost).and_then(|answer| answer));
                }
            });
        }
        answers
    }
}

/// Takes an object that is not there for none.
///
/// # Errors
///
/// As `answer`, but for 404.
pub(super) fn found(answer: Result<Value, CallError>) -> Result<Option<Value>, CallError> {
    match answer {
        Err(error) if error.code() == 404 => Ok(None),
        answer => answer.map(Some),
    }
}

fn read_config(access: &Access) -> Result<(Kubeconfig, String), ConnectError> {
    let mut merged: Option<Kubeconfig> = None;
    for path in &access.kubeconfigs {
        let next = Kubeconfig::read_from(path);
        let next = next.map_err(|error| ConnectError::Kubeconfig(format!("`{path}`: {}", chain(&error))))?;
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|error| ConnectError::Kubeconfig(chain(&error)))?,
        });
    }
    let config = merged.ok_or_else(|| ConnectError::Kubeconfig("there is none".to_owned()))?;
    let context = access.context.clone().or_else(|| config.current_context.clone()).unwrap_or_default();
    if config.contexts.iter().any(|known| known.name == context) {
        return Ok((config, context));
    }
    let known: Vec<&str> = config.contexts.iter().map(|known| known.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(ConnectError::Kubeconfig(format!("it has no context `{context}`; it has {known}")))
}

fn client(mut config: Config) -> Result<Client, ConnectError> {
    config.default_retry = false;
    config.read_timeout = Some(READ_TIMEOUT);
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // A connection that was idle is not slow.
    config.reset_reader_on_write = true;
    let builder = ClientBuilder::try_from(config);
    Ok(builder.map_err(|error| ConnectError::Client(chain(&error)))?.build())
}

async fn call(client: Client, request: Request) -> Result<Value, CallError> {
    let mut attempt = 1;
    loop {
        let (error, trouble) = match send(&client, &request).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let Some(delay) = delay(attempt, trouble) else { return Err(error) };
        tokio::time::sleep(delay).await;
        attempt += 1;
    }
}

async fn send(client: &Client, request: &Request) -> Result<Value, (CallError, Trouble)> {
    let cut = |error: &kube::Error| (CallError::Transport(chain(error)), Trouble::Transport);
    let response = client.send(http_request(request)).await.map_err(|error| cut(&error))?;
    let (code, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let body = response.into_body().collect_bytes().await.map_err(|error| cut(&error))?;
    if code < 300 {
        let whole = serde_json::from_slice(&body);
        return whole.map_err(|error| (CallError::Transport(error.to_string()), Trouble::Transport));
    }
    let status = Status::of(code, &body);
    let is_race = request.method == Method::Apply && status.causes.is_empty();
    Err((CallError::Status(Box::new(status)), Trouble::Status { code, retry_after, is_race }))
}

fn http_request(request: &Request) -> http::Request<Body> {
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
        .body(Body::from(request.body.clone()))
        .expect("paths are made of names that were checked")
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    text
}
