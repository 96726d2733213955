//! Writes redis.conf.
//!
//! It does not contain the password, which reaches the server through standard input.

/// The inputs of the internal Redis's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisConf<'a> {
    pub port: u16,
    /// The folder of the data volume, without characters that Redis would require quotes for.
    pub data_dir: &'a str,
    /// The part of the container's memory that keys may use; `None` without a memory limit.
    pub maxmemory_bytes: Option<u64>,
}

/// Returns redis.conf.
///
/// The append-only file is on even without a persistent volume: an emptyDir survives a restart of
/// the container.
pub fn redis_conf(redis: RedisConf<'_>) -> String {
    let RedisConf { port, data_dir, maxmemory_bytes } = redis;
    let maxmemory = maxmemory_bytes.map(|bytes| format!("maxmemory {bytes}\n")).unwrap_or_default();
    format!(
        "\
bind * -::*
port {port}
protected-mode no
dir {data_dir}
appendonly yes
appendfsync everysec
save 60 1
{maxmemory}maxmemory-policy noeviction
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_limit_becomes_maxmemory_without_eviction() {
        let redis = RedisConf { port: 6380, data_dir: "/data", maxmemory_bytes: Some(201_326_592) };

        let text = redis_conf(redis);

        let wanted = "bind * -::*\nport 6380\nprotected-mode no\ndir /data\nappendonly yes\nappendfsync everysec\n\
                      save 60 1\nmaxmemory 201326592\nmaxmemory-policy noeviction\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn maxmemory_is_omitted_without_memory_limit() {
        let redis = RedisConf { port: 6379, data_dir: "/data", maxmemory_bytes: None };

        let text = redis_conf(redis);

        assert!(!text.contains("maxmemory "), "{text}");
        assert!(text.ends_with("save 60 1\nmaxmemory-policy noeviction\n"), "{text}");
    }
}
