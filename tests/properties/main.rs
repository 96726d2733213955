//! Random profiles: any text loads without a panic, and any valid profile renders to a sound
//! bundle.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod faults;
mod profiles;
#[path = "../support/rendered.rs"]
mod rendered;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use faults::faults;
use profiles::{profiles, rows};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use relay_bundle::model::digest::Digest;
use rendered::{Rendered, load};

#[test]
fn random_profiles_reach_most_keys() {
    let keys: BTreeSet<&str> = rows().iter().flat_map(|row| row.keys).copied().collect();
    assert!(keys.len() >= 120, "{}", keys.len());
}

#[test]
fn valid_profile_renders_to_sound_bundle() {
    let (tried, legal) = (Cell::new(0), Cell::new(0));
    let refusals = RefCell::new(BTreeMap::<&str, usize>::new());
    let mut runner =
        TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let result = runner.run(&profiles(), |text| {
        tried.set(tried.get() + 1);
        let loaded = load(&text, &[]);
        let Some(profile) = loaded.profile else {
            for found in loaded.diagnostics.iter() {
                *refusals.borrow_mut().entry(found.code).or_default() += 1;
            }
            return Ok(());
        };
        legal.set(legal.get() + 1);
        let (first, second) = (Rendered::of(&profile), Rendered::of(&profile));
        prop_assert_eq!(first.bundle.files.sums(), second.bundle.files.sums());
        for fault in faults(&first) {
            prop_assert!(false, "{}\n{}", fault, text);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // A generator whose profiles are mostly refused would not prove much.
    assert!(
        legal.get() * 4 > tried.get() * 3,
        "{} of {}: {:?}",
        legal.get(),
        tried.get(),
        refusals.borrow()
    );
}

#[test]
fn content_id_does_not_depend_on_threads() {
    let mut runner =
        TestRunner::new(Config { cases: 16, failure_persistence: None, ..Config::default() });
    let result = runner.run(&profiles(), |text| {
        let content_id = || {
            let loaded = load(&text, &[]);
            loaded.profile.map(|profile| Rendered::of(&profile).bundle.files.sums().content_id())
        };
        let alone = content_id();
        let ids: Vec<Option<Digest>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(content_id)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        prop_assert_eq!(ids, vec![alone; 8]);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
