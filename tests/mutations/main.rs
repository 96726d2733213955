//! Random damage to valid input: a reader never panics, and writing what it accepts gives the same
//! bytes.
//!
//! `PROPTEST_CASES=1000000 cargo test --profile profiling --test mutations` runs the long form.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

mod archive;
#[path = "../support/carried.rs"]
mod carried;
mod images;
mod index;
#[path = "../support/shipped.rs"]
mod shipped;
mod sums;
#[path = "../support/tar.rs"]
mod tar;
mod text;

/// Unoptimised code takes some seconds for these.
const CASES_DEFAULT: u32 = 1024;

/// Runs `check` on `PROPTEST_CASES` values.
#[track_caller]
fn for_all<S: Strategy>(values: S, check: impl Fn(S::Value) -> TestCaseResult) {
    let plain = Config::default();
    // Proptest has already read the variable into its configuration; its own default is too small
    // here.
    let cases = if plain.cases == 256 { CASES_DEFAULT } else { plain.cases };
    TestRunner::new(Config { cases, failure_persistence: None, ..plain })
        .run(&values, check)
        .unwrap();
}
