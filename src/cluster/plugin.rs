//! Credential plugins: the `exec` of a kubeconfig's user.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use http::HeaderValue;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::authorization;
use crate::command::{self, CommandError, CommandLimits, Ending, Finished, Interaction};
use crate::model::timestamp::Timestamp;

/// The deadline of a plugin that cannot prompt the user: a login over a slow network takes a few
/// seconds.
const DEADLINE: Duration = Duration::from_mins(1);
/// The output limit of a plugin: a token, or a certificate with its key, has a few thousand bytes.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// The environment of plugins outside of the kubeconfig.
#[derive(Clone, Copy)]
pub struct PluginEnvironment {
    /// Whether a plugin can prompt the user.
    pub terminal: Terminal,
    /// Returns the current time, for the expiry of tokens; `None` if the clock is wrong.
    pub clock: fn() -> Option<Timestamp>,
}

/// Whether standard input is a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    Attached,
    Absent,
}

/// Why a plugin returned no credentials. Never quotes its output.
#[derive(Debug, thiserror::Error)]
#[error("credential plugin `{command}` of the kubeconfig {why}")]
pub struct PluginError {
    pub command: String,
    pub why: PluginFault,
}

/// The fault of a plugin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginFault {
    #[error("cannot be run: {0}")]
    Start(String),
    #[error("did not exit within {} s and was killed", .0.as_secs())]
    Timeout(Duration),
    #[error("printed more than 1 MiB and was killed")]
    TooLarge,
    #[error("failed ({0})")]
    Failed(ExitStatus),
    #[error("was lost: {0}")]
    Lost(String),
    #[error("needs a terminal (`interactiveMode: Always`), but standard input is not a terminal")]
    NoTerminal,
    /// Its output contains no usable credentials.
    #[error("{0}")]
    Answer(&'static str),
    /// Its certificate or key is unusable.
    #[error("printed an unusable client certificate: {0}")]
    Certificate(String),
}

impl From<CommandError> for PluginFault {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Start(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::Start("the program does not exist".to_owned())
            }
            CommandError::Start(error) => Self::Start(error.to_string()),
            CommandError::Timeout(limit) => Self::Timeout(limit),
            CommandError::TooLarge => Self::TooLarge,
            CommandError::Lost(error) => Self::Lost(error.to_string()),
        }
    }
}

/// The credential plugin of a user.
pub(super) struct Plugin {
    command: String,
    exec: ExecConfig,
    interaction: Interaction,
    clock: fn() -> Option<Timestamp>,
}

/// The credentials that a plugin returned.
pub(super) struct IssuedCredentials {
    /// The header for the token, if any.
    pub(super) token: Option<HeaderValue>,
    pub(super) certificate: Option<IssuedCertificate>,
    expires: Option<Timestamp>,
}

/// A client certificate and its key, in PEM.
pub(super) struct IssuedCertificate {
    pub(super) command: String,
    pub(super) certificate: String,
    pub(super) key: Zeroizing<String>,
}

impl Plugin {
    /// Takes the plugin out of `user`, if it has one.
    pub(super) fn take(
        user: &mut AuthInfo,
        surroundings: PluginEnvironment,
    ) -> Result<Option<Self>, PluginError> {
        let Some(exec) = user.exec.take() else { return Ok(None) };
        let command = exec.command.clone().unwrap_or_default();
        let interaction = match (&exec.interactive_mode, surroundings.terminal) {
            (Some(ExecInteractiveMode::Never), _)
            | (Some(ExecInteractiveMode::IfAvailable) | None, Terminal::Absent) => {
                Interaction::Unattended(DEADLINE)
            }
            (_, Terminal::Attached) => Interaction::Terminal,
            (Some(ExecInteractiveMode::Always), Terminal::Absent) => {
                return Err(PluginError { command, why: PluginFault::NoTerminal });
            }
        };
        Ok(Some(Self { command, exec, interaction, clock: surroundings.clock }))
    }

    /// Runs the plugin and returns its credentials.
    pub(super) fn run(&self) -> Result<IssuedCredentials, PluginError> {
        self.issue().map_err(|why| PluginError { command: self.command.clone(), why })
    }

    fn issue(&self) -> Result<IssuedCredentials, PluginFault> {
        let limits = CommandLimits {
            interaction: self.interaction,
            ending: Ending::Output,
            output_bytes_max: OUTPUT_BYTES_MAX,
        };
        let Finished { status, output } = command::run(self.prepare(), None, limits)?;
        if !status.success() {
            return Err(PluginFault::Failed(status));
        }

        // Parser messages would quote a token.
        let answer: ExecCredential = serde_saphyr::from_slice(&output)
            .map_err(|_| PluginFault::Answer("printed no ExecCredential"))?;
        let status = answer
            .status
            .ok_or(PluginFault::Answer("printed an ExecCredential without a status"))?;

        let given = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Zeroizing::new);
        let token = given(status.token).map(|token| {
            authorization::bearer(&token)
                .ok_or(PluginFault::Answer("printed a token with a control character"))
        });
        let pair = (given(status.client_certificate_data), given(status.client_key_data));
        let certificate = match pair {
            (Some(certificate), Some(key)) => Some(IssuedCertificate {
                command: self.command.clone(),
                certificate: certificate.to_string(),
                key,
            }),
            (None, None) => None,
            _ => {
                return Err(PluginFault::Answer("printed only one of client certificate and key"));
            }
        };

        if token.is_none() && certificate.is_none() {
            return Err(PluginFault::Answer("printed neither a token nor a client certificate"));
        }
        let expires = status.expiration_timestamp.map(|text| {
            let expires = Timestamp::from_rfc3339(&text);
            expires.ok_or(PluginFault::Answer(
                "printed an expirationTimestamp that is not an RFC 3339 time",
            ))
        });

        Ok(IssuedCredentials {
            token: token.transpose()?,
            certificate,
            expires: expires.transpose()?,
        })
    }

    /// Returns the command with the arguments and the environment that kubectl sets.
    fn prepare(&self) -> Command {
        let exec = &self.exec;
        let mut command = Command::new(&self.command);
        command.args(exec.args.iter().flatten());
        let variables = exec.env.iter().flatten();
        command.envs(
            variables.filter_map(|variable| Some((variable.get("name")?, variable.get("value")?))),
        );
        let mut spec = json!({"interactive": self.interaction == Interaction::Terminal});
        if let Some(cluster) = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info) {
            spec["cluster"] = json!(cluster);
        }
        let info = json!({"kind": "ExecCredential", "apiVersion": exec.api_version, "spec": spec});
        command.env("KUBERNETES_EXEC_INFO", info.to_string());
        if exec.interactive_mode == Some(ExecInteractiveMode::Never) {
            command.stderr(Stdio::null());
        }
        command
    }

    /// Returns whether a token has expired, or expires within a minute.
    pub(super) fn is_due(&self, issued: &IssuedCredentials) -> bool {
        let (Some(expires), Some(now)) = (issued.expires, (self.clock)()) else { return false };
        issued.token.is_some() && expires <= now.plus_seconds(60)
    }
}

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<ExecCredentialStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredentialStatus {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    use super::*;

    fn taken(mode: &str, terminal: Terminal, script: &str) -> Result<Plugin, PluginError> {
        let text = format!(
            "{{users: [{{name: u, user: {{exec: {{command: /bin/sh, args: [-c, {}], {mode}}}}}}}]}}",
            json!(script)
        );
        let mut user =
            Kubeconfig::from_yaml(&text).unwrap().auth_infos[0].auth_info.clone().unwrap();
        let clock = || Timestamp::from_seconds(1_000_000_000).ok();
        Plugin::take(&mut user, PluginEnvironment { terminal, clock }).map(Option::unwrap)
    }

    fn run(script: &str) -> Result<IssuedCredentials, PluginFault> {
        let plugin = taken("interactiveMode: Never", Terminal::Absent, script).unwrap();
        plugin.run().map_err(|error| error.why)
    }

    #[test]
    fn plugin_has_deadline_unless_it_is_interactive() {
        use Terminal::{Absent, Attached};
        let unattended = Interaction::Unattended(DEADLINE);
        for (mode, terminal, wanted) in [
            ("interactiveMode: Never", Attached, unattended),
            ("interactiveMode: IfAvailable", Absent, unattended),
            ("", Absent, unattended),
            ("interactiveMode: IfAvailable", Attached, Interaction::Terminal),
            ("", Attached, Interaction::Terminal),
            ("interactiveMode: Always", Attached, Interaction::Terminal),
        ] {
            assert_eq!(
                taken(mode, terminal, "").unwrap().interaction,
                wanted,
                "{mode} {terminal:?}"
            );
        }
        let why = taken("interactiveMode: Always", Absent, "").err().unwrap().to_string();
        assert!(
            why.starts_with("credential plugin `/bin/sh` of the kubeconfig needs a terminal"),
            "{why}"
        );
    }

    #[test]
    fn plugin_that_fails_or_is_not_there_is_told() {
        let failed = run("exit 3").err().unwrap();
        assert!(
            matches!(failed, PluginFault::Failed(status) if status.code() == Some(3)),
            "{failed:?}"
        );
        let mut none = taken("", Terminal::Absent, "").unwrap();
        none.command = "/no/such/program".to_owned();
        let why = none.run().err().unwrap().why;
        assert_eq!(why, PluginFault::Start("the program does not exist".to_owned()));
    }

    #[test]
    fn answer_without_credentials_is_refused() {
        let answer = |script: &str| run(script).err();
        let is = |why| Some(PluginFault::Answer(why));
        assert_eq!(answer("echo 'status: [s3cret'"), is("printed no ExecCredential"));
        assert_eq!(answer("echo '{}'"), is("printed an ExecCredential without a status"));
        let none = is("printed neither a token nor a client certificate");
        assert_eq!(answer("echo '{status: {token: \"\"}}'"), none);
        let half = is("printed only one of client certificate and key");
        assert_eq!(answer("echo '{status: {token: t, clientKeyData: k}}'"), half);
        let control = is("printed a token with a control character");
        assert_eq!(answer(r#"printf '%s' '{status: {token: "a\u0001b"}}'"#), control);
        let time = is("printed an expirationTimestamp that is not an RFC 3339 time");
        assert_eq!(answer("echo '{status: {token: t, expirationTimestamp: soon}}'"), time);
    }

    #[test]
    fn token_is_due_one_minute_before_expiry() {
        // The clock returns 2001-09-09T01:46:40Z.
        for (expires, wanted) in [
            ("2001-09-09T01:47:40Z", true),
            ("2001-09-09T01:47:41Z", false),
            ("2001-09-09T03:47:41.5+02:00", false),
            ("2001-09-09T03:46:41+02:00", true),
        ] {
            let script =
                format!("echo '{{status: {{token: t, expirationTimestamp: \"{expires}\"}}}}'");
            let plugin = taken("interactiveMode: Never", Terminal::Absent, &script).unwrap();
            assert_eq!(plugin.is_due(&plugin.run().unwrap()), wanted, "{expires}");
        }
        let plugin = taken("", Terminal::Absent, "echo '{status: {token: t}}'").unwrap();
        assert!(!plugin.is_due(&plugin.run().unwrap()));
    }

    #[test]
    fn plugin_is_told_its_version_and_whether_it_can_ask() {
        let script = r#"[ "$KUBERNETES_EXEC_INFO" = '{"apiVersion":"v","kind":"ExecCredential","spec":{"interactive":false}}' ] &&
            echo '{status: {token: t}}'"#;
        let plugin = taken("apiVersion: v", Terminal::Absent, script).unwrap();
        assert_eq!(plugin.run().unwrap().token.unwrap(), "Bearer t");
    }
}
