//! Every kind of tampering except flipped bits, each counted.

use std::collections::BTreeSet;

use crate::carried;
use crate::door::{Door, Program, sealed};
use crate::structure::{self, Original, Sink, count};
use crate::tar::{BLOCK, FIELDS, file, range};
use crate::tar_records::Record;
use crate::{PROFILES, STRIDE, say};

/// A kind of tampering: its name, its archives, and their number.
struct Class {
    name: &'static str,
    make: fn(&Original, &mut Sink),
    count: fn(&Original) -> usize,
}

const fn class(
    name: &'static str,
    make: fn(&Original, &mut Sink),
    count: fn(&Original) -> usize,
) -> Class {
    Class { name, make, count }
}

const CLASSES: [Class; 16] = [
    class("truncated", truncate, |original| original.bytes.len() / BLOCK + 4096 - 4096 / BLOCK),
    class("a byte deleted", delete, |original| boundaries(original).len()),
    class("a byte inserted", insert, |original| 3 * (boundaries(original).len() + 1)),
    class("a byte moved within its block", shift, shift_count),
    class("bytes appended", append, |_| APPENDED),
    class("contents swapped", structure::swap_contents, |original| {
        count::pairs(original.records.len())
    }),
    class("files reordered", structure::reorder, |original| count::pairs(original.records.len())),
    class("a file duplicated", structure::duplicate, |original| {
        count::duplicate(original.records.len())
    }),
    class("a file left out", structure::leave_out, |original| original.needed().count()),
    class("a file added", structure::add, |original| count::add(original.records.len())),
    class("a file renamed", structure::rename, |original| count::rename(original.records.len())),
    class("a content changed", structure::change, |original| count::change(original.records.len())),
    class("a field set", structure::set_fields, |original| {
        count::set_fields(original.records.len())
    }),
    class("end blocks left out", leave_out_end, |_| 2),
    class("a content and its digest changed", structure::forge, |original| {
        original.records.len() - 2
    }),
    class(
        "another bundle",
        |original, sink| others(original).for_each(sink),
        |_| PROFILES.len() - 1,
    ),
];

#[test]
fn tampering_of_every_kind_is_refused() {
    let sealed = PROFILES.map(|profile| (Original::of(sealed(profile)), Door::of(profile)));
    for class in CLASSES {
        let (mut tried, mut refused, mut expected) = (0, 0, 0);
        for (original, door) in &sealed {
            let cases = (class.count)(original);
            let every = if cases < 100 * STRIDE { 1 } else { STRIDE };
            expected += cases.div_ceil(every);
            let mut made = 0;
            (class.make)(original, &mut |bytes| {
                assert!(bytes != original.bytes, "{}: nothing was changed", class.name);
                if made % every == 0 {
                    tried += 1;
                    refused += usize::from(door.enter(&bytes).is_err());
                }
                made += 1;
            });
            assert_eq!(made, cases, "{}", class.name);
        }
        say(&format!("{}: {refused} of {tried} refused", class.name));
        assert!(tried > 0, "{}", class.name);
        assert_eq!((tried, refused), (expected, expected), "{}", class.name);
    }
}

#[test]
fn only_config_or_layer_may_be_absent() {
    let original = Original::of(sealed(carried::PROFILE));
    let door = Door::of(carried::PROFILE);
    let needed: Vec<usize> = original.needed().collect();
    let without = |place: usize| {
        let kept = original.records.iter().enumerate().filter(|(at, _)| *at != place);
        let kept =
            kept.map(|(_, record)| file(&record.name, &original.bytes[record.content.clone()]));
        [kept.collect::<Vec<_>>().concat(), vec![0; 2 * BLOCK]].concat()
    };

    for place in 0..original.records.len() {
        let verified = door.enter(&without(place));

        assert_eq!(verified.is_err(), needed.contains(&place), "{}", original.records[place].name);
        if let Ok(verified) = verified {
            assert_eq!(verified.carried().missing(verified.images.as_ref().unwrap()).count(), 1);
        }
    }
    assert_eq!(needed.len(), original.records.len() - 3);
}

#[test]
fn program_refuses_sample_of_every_kind_and_emits_nothing() {
    let mut tried = 0;
    for profile in ["production", carried::PROFILE] {
        let (program, original) = (Program::of(profile), Original::of(sealed(profile)));
        let (code, emitted) = program.enter(&original.bytes);
        assert!(code == Some(0) && emitted > 0, "{profile}: {code:?}");
        for class in CLASSES {
            let every = (class.count)(&original).div_ceil(3);
            let mut number = 0;
            (class.make)(&original, &mut |bytes| {
                if number % every == 0 {
                    assert_eq!(
                        program.enter(&bytes),
                        (Some(3), 0),
                        "{}, number {number}",
                        class.name
                    );
                    tried += 1;
                }
                number += 1;
            });
        }
    }
    say(&format!(
        "given to `verify --emit`: {tried} tampered archives, all refused, nothing emitted"
    ));
    assert!(tried >= 4 * CLASSES.len(), "{tried}");
}

/// Returns the starts of every header field, content, padding and end block.
fn boundaries(original: &Original) -> BTreeSet<usize> {
    let of_record = |record: &Record| {
        let header = record.content.start - BLOCK;
        let fields = FIELDS.map(|(field, _)| header + range(field).start);
        fields.into_iter().chain([record.content.start, record.content.end])
    };
    let end = original.bytes.len();
    let ends = [end - 2 * BLOCK, end - BLOCK];
    original.records.iter().flat_map(of_record).chain(ends).collect()
}

fn truncate(original: &Original, sink: &mut Sink) {
    let lengths: BTreeSet<usize> =
        (0..4096).chain((0..original.bytes.len()).step_by(BLOCK)).collect();
    for length in lengths {
        sink(original.bytes[..length].to_vec());
    }
}

fn delete(original: &Original, sink: &mut Sink) {
    for at in boundaries(original) {
        let mut bytes = original.bytes.clone();
        bytes.remove(at);
        sink(bytes);
    }
}

fn insert(original: &Original, sink: &mut Sink) {
    for at in boundaries(original).into_iter().chain([original.bytes.len()]) {
        for byte in [0, b'0', 0xff] {
            let mut bytes = original.bytes.clone();
            bytes.insert(at, byte);
            sink(bytes);
        }
    }
}

/// Deletes a byte and inserts a zero at the end of its block, so that the other blocks stay in
/// place.
fn shift(original: &Original, sink: &mut Sink) {
    for at in boundaries(original) {
        let mut bytes = original.bytes.clone();
        bytes[at..at / BLOCK * BLOCK + BLOCK].rotate_left(1);
        let last = at / BLOCK * BLOCK + BLOCK - 1;
        bytes[last] = 0;
        if bytes != original.bytes {
            sink(bytes);
        }
    }
}

/// Counts the boundaries whose following bytes would change.
fn shift_count(original: &Original) -> usize {
    let moves =
        |at: &usize| original.bytes[*at..at / BLOCK * BLOCK + BLOCK].iter().any(|byte| *byte != 0);
    boundaries(original).iter().filter(|at| moves(at)).count()
}

const APPENDED: usize = 7;

fn append(original: &Original, sink: &mut Sink) {
    let whole = &original.bytes;
    let appended: [Vec<u8>; APPENDED] = [
        vec![0],
        vec![b'\n'],
        vec![0; BLOCK],
        vec![0xff; BLOCK],
        vec![0; 10_240 - whole.len() % 10_240],
        file("manifests/99-evil.yaml", b"evil\n"),
        whole.clone(),
    ];
    for more in appended {
        sink([&whole[..], &more].concat());
    }
}

/// Leaves out one of the two zero blocks, then both.
fn leave_out_end(original: &Original, sink: &mut Sink) {
    for blocks in [1, 2] {
        let mut bytes = original.bytes.clone();
        bytes.truncate(bytes.len() - blocks * BLOCK);
        // Otherwise it would only be truncated.
        bytes.extend(file("SHA256SUMS", b""));
        sink(bytes);
    }
}

fn others(original: &Original) -> impl Iterator<Item = Vec<u8>> {
    PROFILES.into_iter().map(sealed).filter(|bytes| *bytes != original.bytes)
}
