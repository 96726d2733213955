//! Tests with a real control plane, which this program starts and ends.
//!
//! Without the programs of `.ci/cluster-tools` the tests report that they are skipped; with
//! `CI=true` that is a failure.
#![allow(clippy::duplicate_mod, reason = "bundles and registries have images of their own")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a test says how many runs it has made")]

mod abandon;
mod adopt;
mod adopt_again;
mod adopt_killed;
mod adopt_sealed;
mod adopt_unfinished;
mod api_scenarios;
#[path = "../support/api_table/mod.rs"]
mod api_table;
mod approved;
#[path = "../restart_matrix/bases.rs"]
mod bases;
#[path = "../support/carried.rs"]
mod carried;
mod compat;
#[path = "../support/console.rs"]
mod console;
mod contenders;
mod control_plane;
mod deployed_again;
mod drift;
mod faults;
mod forecast;
mod forged;
mod garbage;
mod happened;
mod helm;
mod image_access;
mod image_lookup;
mod image_record;
mod images;
mod keys;
mod killed;
mod kubectl;
#[path = "../support/mask.rs"]
mod mask;
mod meanwhile;
#[path = "../support/oci/mod.rs"]
#[expect(dead_code, reason = "the tests of registries use more of it")]
mod oci;
#[path = "../support/openssl.rs"]
mod openssl;
mod outage;
mod plan;
mod platform;
mod proxy;
mod rbac;
mod record;
mod recovery;
mod refused;
mod remove;
mod replicas;
mod restart;
mod rollback;
mod rollout;
#[path = "../restart_matrix/rows.rs"]
mod rows;
mod sealed;
mod secrets;
mod site;
mod snapshots;
mod soak;
mod started;
mod state;
#[path = "../support/tar.rs"]
mod tar;
#[path = "../support/tools.rs"]
mod tools;
mod tour;
mod transitions;
mod unasked;
mod unready;
mod vault;
mod versions;
mod watcher;
mod whole_way;
mod wire;
