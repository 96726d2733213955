//! Registry options and environment variables, and the client that is built from them.

use std::env;
use std::thread;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::cluster::proxies;
use crate::cmd::ctx::Ctx;
use crate::failure::Failure;
use crate::registry::{
    CredentialEnvironment, Mirror, Persistence, PlainHost, Registry, RegistryCredentials,
    RegistrySettings, Timeouts,
};
use crate::transfer::presence::RegistryReach;
use crate::ui::printer::Printer;

/// For commands that fetch.
#[derive(Debug, clap::Args)]
pub(in crate::cmd) struct PullArgs {
    /// Ask MIRROR for the images of HOST; repeatable, the first one for a HOST applies
    #[arg(long, value_name = "HOST=MIRROR[/PREFIX]")]
    from: Vec<Mirror>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Debug, clap::Args)]
pub(in crate::cmd) struct RegistryArgs {
    /// Read registry credentials from this file only, in the format of docker and podman
    #[arg(long, value_name = "FILE")]
    registry_config: Option<Utf8PathBuf>,
    /// Trust the authorities in this file (PEM) for registries, instead of those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<Utf8PathBuf>,
    /// Use plain HTTP for this registry, without credentials; repeatable
    #[arg(long, value_name = "HOST:PORT")]
    plain_http: Vec<PlainHost>,
}

impl PullArgs {
    /// Returns a client that uses the mirrors of `--from`.
    pub(in crate::cmd) fn client(&self, ctx: &Ctx) -> Result<Registry, Failure> {
        let settings = self.registry.settings(ctx)?;
        Ok(Registry::new(RegistrySettings { mirrors: self.from.clone(), ..settings })?)
    }
}

impl RegistryArgs {
    /// Returns a client without mirrors.
    pub(in crate::cmd) fn client(&self, ctx: &Ctx) -> Result<Registry, Failure> {
        Ok(Registry::new(self.settings(ctx)?)?)
    }

    /// Returns how to reach registries, for a command that can go on without them.
    pub(in crate::cmd) fn reach(&self, ctx: &Ctx) -> RegistryReach {
        RegistryReach {
            settings: self.settings(ctx),
            names_credentials: self.registry_config.is_some(),
            names_file: self.registry_config.is_some() || self.ca.is_some(),
        }
    }

    /// Returns the client's settings: with retries, without mirrors.
    fn settings(&self, ctx: &Ctx) -> Result<RegistrySettings, Failure> {
        let files = self.credentials().files();
        let (credentials, warnings) = RegistryCredentials::read(&files)?;
        for warning in warnings {
            ctx.printer.warn(&format!("{warning}: {}", warning.remedy()));
        }
        Ok(RegistrySettings {
            credentials,
            ca: self.ca.clone(),
            plain_http: self.plain_http.clone(),
            proxies: proxies(),
            mirrors: Vec::new(),
            timeouts: Timeouts::default(),
            persistence: Persistence::Retry,
            sleep: pause(ctx.printer.clone()),
        })
    }

    fn credentials(&self) -> CredentialEnvironment {
        CredentialEnvironment {
            registry_config: self.registry_config.clone(),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            docker_config: path("DOCKER_CONFIG"),
            home: path("HOME"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
        }
    }
}

/// Returns the function that waits after a failed request, and tells the operator about the retry.
fn pause(printer: Printer) -> Box<dyn Fn(Duration) + Send + Sync> {
    Box::new(move |pause| {
        printer.say(&format!(
            "a request to the registry failed; trying again in {} s",
            pause.as_secs()
        ));
        thread::sleep(pause);
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks where credentials are")]
fn path(name: &str) -> Option<Utf8PathBuf> {
    env::var(name).ok().filter(|value| !value.is_empty()).map(Utf8PathBuf::from)
}
