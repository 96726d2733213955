//! A token server with TLS: it issues bearer tokens to one user, and grants every scope or only
//! some actions.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::authority::Authority;

pub(crate) const ISSUER: &str = "token server of the tests";
pub(crate) const SERVICE: &str = "registry";
/// The one user of every registry with credentials.
pub(crate) const USER: &str = "mirror";
pub(crate) const PASSWORD: &str = "letmein";

/// A token server on loopback; its thread ends with the process.
pub(crate) struct TokenServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    authority: Authority,
    tls: Arc<ServerConfig>,
    scopes: Mutex<Vec<String>>,
    /// The granted actions; an empty list grants all.
    granted: Mutex<Vec<&'static str>>,
}

impl TokenServer {
    pub(crate) fn start(authority: Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Arc::new(authority.server());
        let shared = Arc::new(Shared {
            authority,
            tls,
            scopes: Mutex::default(),
            granted: Mutex::default(),
        });
        let server = Self { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                // A client may hang up early, which does not fail the test.
                std::thread::spawn(move || shared.serve(stream.unwrap()).ok());
            }
        });
        server
    }

    /// Returns a token for a scope, such as `repository:app:pull,push`.
    pub(crate) fn token(&self, scope: &str) -> String {
        self.shared.token(&[scope.to_owned()])
    }

    /// Grants these actions only, from now on.
    pub(crate) fn grant_only(&self, actions: &[&'static str]) {
        *self.shared.granted.lock().unwrap() = actions.to_vec();
    }

    /// Returns the requested scopes in the order of the requests; one request may have several.
    pub(crate) fn scopes(&self) -> Vec<String> {
        self.shared.scopes.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let connection = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut lines = BufReader::new(&mut stream).lines();
        let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let expected = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let mut is_user = false;
        for line in lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
            is_user |=
                name.eq_ignore_ascii_case("authorization") && value == format!("Basic {expected}");
        }
        let (status, body) = if is_user {
            let scopes = scopes_of(&request);
            self.scopes.lock().unwrap().extend_from_slice(&scopes);
            ("200 OK", json!({ "token": self.token(&scopes), "expires_in": 300 }))
        } else {
            let error = json!({ "code": "UNAUTHORIZED", "message": "wrong user or password" });
            ("401 Unauthorized", json!({ "errors": [error] }))
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
        stream.conn.send_close_notify();
        stream.flush()
    }

    /// Returns a token (a JWT with RS256) that grants the scopes.
    fn token(&self, scopes: &[String]) -> String {
        let pem = fs_err::read_to_string(self.authority.file("token.crt")).unwrap();
        let certificate: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let now = now();
        let header = json!({ "alg": "RS256", "typ": "JWT", "x5c": [certificate] });
        let claims = json!({
            "iss": ISSUER, "sub": USER, "aud": SERVICE, "jti": "1",
            "iat": now, "nbf": now - 10, "exp": now + 300,
            "access": scopes.iter().filter_map(|scope| self.access(scope)).collect::<Vec<_>>(),
        });
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!(
            "{}.{}",
            part(header.to_string().as_bytes()),
            part(claims.to_string().as_bytes())
        );
        format!("{signed}.{}", part(&self.authority.sign(signed.as_bytes())))
    }

    /// Returns the access that a scope `type:name:actions` grants; the name may have a colon.
    fn access(&self, scope: &str) -> Option<Value> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let granted = self.granted.lock().unwrap();
        let is_granted = |action: &&str| granted.is_empty() || granted.contains(action);
        let actions: Vec<&str> = actions.split(',').filter(is_granted).collect();
        Some(json!({ "type": kind, "name": name, "actions": actions }))
    }
}

#[expect(clippy::disallowed_methods, reason = "the registry compares a token with its clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Returns the scopes in a line such as `GET /token?service=S&scope=A&scope=B HTTP/1.1`.
fn scopes_of(request: &str) -> Vec<String> {
    let target = request.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    values
        .flat_map(|value| decode(value).split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Decodes a value of a query.
fn decode(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped =
            hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap()
}
