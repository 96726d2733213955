//! Failures of requests and settings, with their remedies.

use super::credentials::CredentialError;
use super::error::{RegistryError, RegistryFault};
use super::settings::RegistrySettingsError;
use crate::failure::Failure;
use crate::fsio::remedy;

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let disk = match &error.why {
            RegistryFault::Sink(error) => remedy(error).map(str::to_owned),
            _ => None,
        };
        let remedy = error.remedy().or(disk);
        remedy.into_iter().fold(Self::world(error), Self::hint)
    }
}

impl From<RegistrySettingsError> for Failure {
    fn from(error: RegistrySettingsError) -> Self {
        Self::input(error)
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let remedy = error.remedy();
        remedy.into_iter().fold(Self::input(error), Self::hint)
    }
}
