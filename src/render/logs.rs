//! The volume of the relay's log files, which the relay writes and Fluent Bit reads.

use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use super::{pod, pvc};
use crate::model::text::log_size_bytes;
use crate::profile::resolve::Profile;
use crate::profile::settings::{AccessMode, LogMode};

pub(super) const VOLUME: &str = "logs";
pub(super) const PATH: &str = "/app/logs";

/// Returns the mount of the relay.
pub(super) fn mount(profile: &Profile) -> VolumeMount {
    let mut mount = pod::mount(VOLUME, PATH);
    if is_per_pod(profile) {
        mount.sub_path_expr = Some("$(POD_NAME)".into());
    }
    mount
}

/// Returns whether several pods write their logs to one volume, each into its own folder.
pub(super) fn is_per_pod(profile: &Profile) -> bool {
    let logs = &profile.settings.storage.logs;
    logs.mode == LogMode::Pvc
        && logs.persistence.access_mode == AccessMode::ReadWriteMany
        && profile.settings.can_scale()
}

/// Returns the volume of the log files.
pub(super) fn volume(profile: &Profile) -> Volume {
    match profile.settings.storage.logs.mode {
        LogMode::Pvc => pod::claim(VOLUME, pvc::logs_name(profile)),
        LogMode::Fluentbit | LogMode::Forward | LogMode::EmptyDir => {
            pod::empty_dir(VOLUME, size_limit(profile))
        }
    }
}

/// Returns the size limit for all log files that the relay keeps, at least 1 GiB.
///
/// Six kinds of files follow `logMaxSize` and `logMaxFiles`; two more always keep 30 files of 10
/// MiB.
fn size_limit(profile: &Profile) -> String {
    const MIB: u64 = 1 << 20;
    let config = &profile.settings.config;
    let size = log_size_bytes(config.log_max_size.as_str()).expect("checked when it was made");
    let files = config.log_max_files.get().unsigned_abs();
    let kept = size.saturating_mul(files).saturating_mul(6).saturating_add(2 * 30 * 10 * MIB);
    pod::mebibytes((kept / MIB + 1).max(1024))
}
