//! Credential helpers: programs called `docker-credential-NAME`, which print credentials as JSON.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{CredentialError, LoginSecret, RegistryLogin};

/// The longest answer of a helper.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How often a helper is looked at.
const TICK: Duration = Duration::from_millis(5);
/// The name of a user whose secret is an identity token.
const IDENTITY: &str = "<token>";
/// The output of helpers that do not know a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The program of a helper.
pub(super) struct Helper {
    program: String,
}

/// The answer of a helper.
pub(super) enum Told {
    Login(RegistryLogin),
    /// It has no credentials for the registry.
    Nothing,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: LoginSecret,
    secret: LoginSecret,
}

impl Helper {
    /// Returns the helper of that name, unless the name could lead to another program.
    pub(super) fn new(name: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=100).contains(&name.len()) && name.bytes().all(is_plain);
        is_name.then(|| Self { program: format!("docker-credential-{name}") })
    }

    /// Asks for the credentials of `server`.
    pub(super) fn ask(&self, server: &str, patience: Duration) -> Result<Told, CredentialError> {
        let name = || self.program.clone();
        let not_started = |why: io::Error| CredentialError::HelperStart { name: name(), why };
        let mut running = Running::start(&self.program).map_err(not_started)?;
        running.tell(server);
        let unusable = || CredentialError::HelperAnswer { name: name(), server: server.to_owned() };
        let (status, printed) = match running.finish(patience).map_err(not_started)? {
            End::Exited(status, printed) => (status, printed),
            End::TooMuch => return Err(unusable()),
            End::Late => return Err(CredentialError::HelperHangs { name: name(), limit: patience }),
        };
        if !status.success() {
            let is_nothing = printed.trim_ascii() == NOT_FOUND.as_bytes();
            let failed = || CredentialError::HelperFailed { name: name(), server: server.to_owned() };
            return if is_nothing { Ok(Told::Nothing) } else { Err(failed()) };
        }
        // The parser's own words may quote the secret.
        let answer: Option<HelperAnswer> = serde_json::from_slice(&printed).ok();
        let answer = answer.filter(|answer| !answer.secret.0.is_empty());
        let HelperAnswer { username: LoginSecret(user), secret: LoginSecret(password) } =
            answer.ok_or_else(unusable)?;
        Ok(Told::Login(match user.as_str() {
            IDENTITY => RegistryLogin::Identity(password),
            _ => RegistryLogin::Password { user, password },
        }))
    }
}

/// How a helper ended.
enum End {
    Exited(ExitStatus, Zeroizing<Vec<u8>>),
    /// It printed more than any credentials have.
    TooMuch,
    Late,
}

/// A helper that runs, in a process group of its own: what it starts ends with it.
struct Running {
    child: Child,
    answer: ChildStdout,
}

impl Running {
    fn start(program: &str) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = command.spawn()?;
        let answer = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
        let running = Self { child, answer };
        // A helper that is silent, or leaves a child that holds the pipe, must not hold us.
        let flags = fcntl_getfl(&running.answer)?;
        fcntl_setfl(&running.answer, flags | OFlags::NONBLOCK)?;
        Ok(running)
    }

    /// Writes the address of the registry, which any pipe has room for. A helper may end without reading it.
    fn tell(&mut self, server: &str) {
        if let Some(mut input) = self.child.stdin.take() {
            let _ = input.write_all(format!("{server}\n").as_bytes());
        }
    }

    fn finish(&mut self, patience: Duration) -> io::Result<End> {
        let until = Instant::now() + patience;
        // Room for all of it: a vector that grows leaves copies behind.
        let mut printed = Zeroizing::new(vec![0; ANSWER_BYTES_MAX + 1]);
        let mut length = 0;
        loop {
            // Asked first: what a helper printed before it ended is in the pipe.
            let ended = self.child.try_wait()?;
            self.read(&mut printed, &mut length)?;
            if length > ANSWER_BYTES_MAX {
                return Ok(End::TooMuch);
            }
            if let Some(status) = ended {
                printed.truncate(length);
                return Ok(End::Exited(status, printed));
            }
            if Instant::now() >= until {
                return Ok(End::Late);
            }
            std::thread::sleep(TICK);
        }
    }

    /// Reads what is in the pipe.
    fn read(&mut self, into: &mut [u8], length: &mut usize) -> io::Result<()> {
        while *length < into.len() {
            match self.answer.read(&mut into[*length..]) {
                Ok(0) => break,
                Ok(read) => *length += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Ends a helper that still runs, and what it started.
impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may end by itself at this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_could_lead_to_another_program_is_refused() {
        assert!(Helper::new("osxkeychain").is_some() && Helper::new("ecr-login").is_some());
        for name in ["", "../x", "a/b", "a b", "desktop.exe", "A", "a\n", "\u{e9}"] {
            assert!(Helper::new(name).is_none(), "{name}");
        }
    }

    #[test]
    fn helper_that_is_not_installed_is_named() {
        let helper = Helper::new("that-is-not-installed").unwrap();
        let error = helper.ask("r.example", Duration::from_secs(1)).err().unwrap();
        assert!(matches!(error, CredentialError::HelperStart { .. }), "{error:?}");
        assert!(error.to_string().contains("`docker-credential-that-is-not-installed`"), "{error}");
    }
    /// Runs a script as a helper, with a second of patience.
    fn told(script: &str) -> Result<Told, CredentialError> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-test");
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let helper = Helper { program: path.to_str().unwrap().to_owned() };
        loop {
            match helper.ask("r.example:5000", Duration::from_secs(1)) {
                // Another test forked while the script was open for writing.
                Err(CredentialError::HelperStart { why, .. })
                    if why.kind() == io::ErrorKind::ExecutableFileBusy => {}
                told => return told,
            }
        }
    }

    #[test]
    fn helper_is_asked_for_the_registry_and_believed() {
        let script =
            r#"read server; echo "{\"ServerURL\":\"x\",\"Username\":\"me $1\",\"Secret\":\"$server\"}""#;
        let Ok(Told::Login(RegistryLogin::Password { user, password })) = told(script) else {
            panic!("no login")
        };
        assert_eq!((user.as_str(), password.as_str()), ("me get", "r.example:5000"));
        let identity = r#"echo '{"Username":"<token>","Secret":"it"}'"#;
        assert!(matches!(told(identity), Ok(Told::Login(RegistryLogin::Identity(token))) if *token == "it"));
    }

    #[test]
    fn helper_that_knows_nothing_is_no_failure() {
        assert!(matches!(told("echo credentials not found in native keychain; exit 1"), Ok(Told::Nothing)));
        assert!(matches!(told("echo s3cret; exit 1"), Err(CredentialError::HelperFailed { .. })));
        assert!(matches!(told("kill -9 $$"), Err(CredentialError::HelperFailed { .. })));
    }

    #[test]
    fn rubbish_of_a_helper_is_refused_and_not_shown() {
        for script in [
            "",
            "echo s3cret",
            r#"echo '{"Username":"s3cret"}'"#,
            r#"echo '{"Username":"s3cret","Secret":""}'"#,
        ] {
            let error = told(script).err().unwrap();
            assert!(matches!(error, CredentialError::HelperAnswer { .. }), "{error:?}");
            assert!(!format!("{error} {error:?} {:?}", error.remedy()).contains("s3cret"), "{error:?}");
        }
        let long = told("exec yes s3cret").err().unwrap();
        assert!(matches!(long, CredentialError::HelperAnswer { .. }), "{long:?}");
    }

    #[test]
    fn helper_that_hangs_is_killed_with_what_it_started() {
        let mark = format!("{}", 30_000 + std::process::id());
        let error = told(&format!("sleep {mark} & sleep {mark}")).err().unwrap();
        assert!(matches!(error, CredentialError::HelperHangs { .. }), "{error:?}");
        let listed = Command::new("ps").args(["-eo", "args"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&listed.stdout).contains(&format!("sleep {mark}")));
    }

    #[test]
    fn child_that_keeps_the_pipe_open_does_not_hold_us() {
        let script = r#"sleep 3 & echo '{"Username":"me","Secret":"pw"}'"#;
        let before = Instant::now();
        assert!(matches!(told(script), Ok(Told::Login(_))));
        assert!(before.elapsed() < Duration::from_secs(2));
    }
}
