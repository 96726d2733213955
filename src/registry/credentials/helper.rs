//! Credential helpers: programs named `docker-credential-NAME` that print credentials as JSON.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::error::CredentialError;
use super::login::{LoginSecret, RegistryLogin};
use crate::command::{self, CommandError, CommandLimits, Ending, Finished, Interaction};

/// The maximum size of a helper's answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The user name of an identity token.
const IDENTITY: &str = "<token>";
/// The output of a helper that has no credentials for a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// A credential helper.
pub(super) struct Helper {
    program: String,
}

/// The answer of a helper.
pub(super) enum Told {
    Login(RegistryLogin),
    /// The helper has no credentials for the registry.
    Nothing,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: LoginSecret,
    secret: LoginSecret,
}

impl Helper {
    /// Returns the helper with this name, or `None` if the name could start another program.
    pub(super) fn new(name: &str) -> Option<Self> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=100).contains(&name.len()) && name.bytes().all(is_plain);
        is_name.then(|| Self { program: format!("docker-credential-{name}") })
    }

    /// Asks for the credentials of `server`.
    pub(super) fn ask(&self, server: &str, patience: Duration) -> Result<Told, CredentialError> {
        let name = || self.program.clone();
        let mut program = Command::new(&self.program);
        program.arg("get").stderr(Stdio::null());
        let limits = CommandLimits {
            interaction: Interaction::Unattended(patience),
            ending: Ending::Process,
            output_bytes_max: ANSWER_BYTES_MAX,
        };

        let unusable = || CredentialError::HelperAnswer { name: name(), server: server.to_owned() };
        let ran = command::run(program, Some(&format!("{server}\n")), limits);
        let Finished { status, output: printed } = ran.map_err(|error| match error {
            CommandError::Start(why) | CommandError::Lost(why) => {
                CredentialError::HelperStart { name: name(), why }
            }
            CommandError::Timeout(limit) => CredentialError::HelperHangs { name: name(), limit },
            CommandError::TooLarge => unusable(),
        })?;
        if !status.success() {
            let is_nothing = printed.trim_ascii() == NOT_FOUND.as_bytes();
            let failed =
                || CredentialError::HelperFailed { name: name(), server: server.to_owned() };
            return if is_nothing { Ok(Told::Nothing) } else { Err(failed()) };
        }

        // Parser messages may quote the secret.
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Instant;

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
    /// Runs a script as a helper with a deadline of one second.
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
    fn helper_is_queried_for_registry_and_trusted() {
        let script = r#"read server; echo "{\"ServerURL\":\"x\",\"Username\":\"me $1\",\"Secret\":\"$server\"}""#;
        let Ok(Told::Login(RegistryLogin::Password { user, password })) = told(script) else {
            panic!("no login")
        };
        assert_eq!((user.as_str(), password.as_str()), ("me get", "r.example:5000"));
        let identity = r#"echo '{"Username":"<token>","Secret":"it"}'"#;
        assert!(
            matches!(told(identity), Ok(Told::Login(RegistryLogin::Identity(token))) if *token == "it")
        );
    }

    #[test]
    fn helper_without_credentials_is_not_failure() {
        assert!(matches!(
            told("echo credentials not found in native keychain; exit 1"),
            Ok(Told::Nothing)
        ));
        assert!(matches!(told("echo s3cret; exit 1"), Err(CredentialError::HelperFailed { .. })));
        assert!(matches!(told("kill -9 $$"), Err(CredentialError::HelperFailed { .. })));
    }

    #[test]
    fn invalid_helper_output_is_refused_and_not_shown() {
        for script in [
            "",
            "echo s3cret",
            r#"echo '{"Username":"s3cret"}'"#,
            r#"echo '{"Username":"s3cret","Secret":""}'"#,
        ] {
            let error = told(script).err().unwrap();
            assert!(matches!(error, CredentialError::HelperAnswer { .. }), "{error:?}");
            assert!(
                !format!("{error} {error:?} {:?}", error.remedy()).contains("s3cret"),
                "{error:?}"
            );
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
    fn child_that_keeps_pipe_open_does_not_block_us() {
        let script = r#"sleep 3 & echo '{"Username":"me","Secret":"pw"}'"#;
        let before = Instant::now();
        assert!(matches!(told(script), Ok(Told::Login(_))));
        assert!(before.elapsed() < Duration::from_secs(2));
    }
}
