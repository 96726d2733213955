//! The scripts that run inside the pods, as text.
//!
//! They are separate files so that tests run exactly the bytes that are rendered.

/// Waits for Redis and writes the relay's `init.json`: `node -e PREPARE -- FILE`.
pub const PREPARE: &str = include_str!("scripts/prepare.js");

/// Starts Redis without losing a volume's dump: `/bin/sh redis-start.sh CONFIG RUNTIME_DIR`.
pub const REDIS_START: &str = include_str!("scripts/redis-start.sh");

/// Probes Redis: `/bin/sh redis-probe.sh ready|alive PORT`.
pub const REDIS_PROBE: &str = include_str!("scripts/redis-probe.sh");
