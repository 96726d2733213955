//! Reads one kubeconfig file, which must be a regular file, once and up to a size limit.

use camino::Utf8Path;
use kube::config::Kubeconfig;

use super::{blank, flags, mistakes};
use crate::cluster::connect_error::ConnectError;
use crate::cluster::files;

/// The maximum size of a kubeconfig: one with a thousand clusters has about 6 MiB.
const BYTES_MAX: u64 = 8 << 20;

/// Returns the kubeconfig at `path`, without empty values and with resolved paths.
///
/// kube's own reader has no size limit, and reads devices and pipes to their end.
pub(super) fn read(path: &str) -> Result<Kubeconfig, ConnectError> {
    let unusable = |why: &str| ConnectError::Kubeconfig(format!("`{path}`: {why}"));
    let bytes = files::read(path, BYTES_MAX).map_err(|why| unusable(&why))?;
    let text = decode(&bytes).ok_or_else(|| unusable("it is not UTF-8"))?;
    let mut config = Kubeconfig::from_yaml(&text).map_err(|error| {
        ConnectError::Kubeconfig(format!("`{path}`{}", mistakes::in_file(&error)))
    })?;
    flags::check(&config, &text).map_err(unusable)?;
    blank::drop_blank(&mut config);
    if let Some(folder) = Utf8Path::new(path).parent() {
        resolve_paths(&mut config, folder);
    }
    Ok(config)
}

/// Decodes UTF-8, or the output of Windows editors: UTF-8 and UTF-16 with a byte order mark.
fn decode(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xff, 0xfe, text @ ..] => wide(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => wide(text, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, text @ ..] | text => str::from_utf8(text).ok().map(str::to_owned),
    }
}

/// Resolves relative paths against the folder of the kubeconfig, as kubectl does.
fn resolve_paths(config: &mut Kubeconfig, folder: &Utf8Path) {
    let resolve = |path: &mut String| *path = folder.join(&*path).into_string();
    let clusters = config.clusters.iter_mut().filter_map(|named| named.cluster.as_mut());
    clusters.filter_map(|cluster| cluster.certificate_authority.as_mut()).for_each(resolve);
    for user in config.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        let files = [&mut user.client_certificate, &mut user.client_key, &mut user.token_file];
        files.into_iter().flatten().for_each(resolve);
        // A command without a slash is searched in PATH.
        let command = user.exec.as_mut().and_then(|exec| exec.command.as_mut());
        command.filter(|command| command.contains('/')).into_iter().for_each(resolve);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use camino::Utf8PathBuf;

    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn refused(path: &Utf8Path) -> String {
        let start = Instant::now();
        let why = read(path.as_str()).unwrap_err().to_string();
        assert!(start.elapsed() < Duration::from_secs(2), "{path}");
        why.replace(path.as_str(), "FILE")
    }

    #[test]
    fn non_regular_kubeconfig_is_refused_at_once() {
        let (_keep, folder) = folder();
        let fifo = folder.join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());

        for path in [Utf8Path::new("/dev/zero"), &fifo, &folder] {
            assert_eq!(
                refused(path),
                "unusable kubeconfig: `FILE`: it is not a regular file: save its content to a file"
            );
        }
    }

    #[test]
    fn kubeconfig_above_its_limit_is_refused() {
        let (_keep, folder) = folder();
        let path = folder.join("kubeconfig");
        let write = |bytes: u64| fs_err::File::create(&path).unwrap().set_len(bytes).unwrap();

        write(BYTES_MAX + 1);
        assert!(refused(&path).contains("it exceeds 8 MiB"));
        write(1 << 40);
        assert!(refused(&path).contains("it exceeds 8 MiB"));
    }

    #[test]
    fn text_is_decoded_by_its_byte_order_mark() {
        let units: Vec<u16> = "kind: é".encode_utf16().collect();
        let little: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(units.iter().flat_map(|u| u.to_le_bytes())).collect();
        let big: Vec<u8> =
            [0xfe, 0xff].into_iter().chain(units.iter().flat_map(|u| u.to_be_bytes())).collect();
        for bytes in [little, big, "kind: é".into(), "\u{feff}kind: é".into()] {
            assert_eq!(decode(&bytes).as_deref(), Some("kind: é"));
        }
        assert_eq!(decode(b"kind: \xff"), None);
    }

    #[test]
    fn flag_that_is_text_is_refused_in_any_encoding() {
        let (_keep, folder) = folder();
        let path = folder.join("kubeconfig");
        let text = "clusters: [{name: c, cluster: {insecure-skip-tls-verify: \"yes\"}}]";
        let wide = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes));
        fs_err::write(&path, wide.collect::<Vec<u8>>()).unwrap();

        assert!(refused(&path).contains("insecure-skip-tls-verify is not a boolean"));
    }

    #[test]
    fn relative_path_is_resolved_and_empty_one_is_dropped() {
        let (_keep, folder) = folder();
        let path = folder.join("kubeconfig");
        let text = "{clusters: [{name: c, cluster: {certificate-authority: ca.crt}}],
            users: [{name: u, user: {client-certificate: ../u.crt, client-key: /u.key, tokenFile: '',
              exec: {command: bin/login}}}, {name: v, user: {tokenFile: t, exec: {command: login}}}]}";
        fs_err::write(&path, text).unwrap();

        let config = read(path.as_str()).unwrap();

        let cluster = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.certificate_authority.as_deref(), Some(folder.join("ca.crt").as_str()));
        let user = config.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(user.client_certificate.as_deref(), Some(folder.join("../u.crt").as_str()));
        assert_eq!(
            (user.client_key.as_deref(), user.token_file.as_deref()),
            (Some("/u.key"), None)
        );
        let command = |index: usize| {
            let user = config.auth_infos[index].auth_info.as_ref().unwrap();
            user.exec.as_ref().unwrap().command.clone().unwrap()
        };
        assert_eq!(
            (command(0), command(1)),
            (folder.join("bin/login").into_string(), "login".to_owned())
        );
    }
}
