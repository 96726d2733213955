//! Random damage to valid input: a reader never panics, and whatever it takes, it would write again
//! byte for byte.
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

/// What unoptimised code does in seconds.
const CASES_DEFAULT: u32 = 1024;

/// Runs `check` on as many values as `PROPTEST_CASES` says.
#[track_caller]
fn for_all<S: Strategy>(values: S, check: impl Fn(S::Value) -> TestCaseResult) {
    let plain = Config::default();
    // Proptest has put the variable into its configuration; its own default is too few for us.
    let cases = if plain.cases == 256 { CASES_DEFAULT } else { plain.cases };
    TestRunner::new(Config { cases, failure_persistence: None, ..plain })
        .run(&values, check)
        .unwrap();
}
