//! Large blobs of an archive: hashed on all cores, with the same result as a sequential read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;

use fs_err as fs;
use relay_bundle::bundle::carried::Carried;
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::read::Opening;
use relay_bundle::images::list::ImageList;
use relay_bundle::media::archive;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;

use self::carried::{Images, carry, image_of, path_of};
use self::tar_records::records;
use relay_bundle::bundle::content::hash_only;
use relay_bundle::bundle::fault::{Fault, FormFault, ReadError};
use relay_bundle::bundle::medium::SealedMedium;

#[path = "support/carried.rs"]
mod carried;
#[path = "support/tar.rs"]
mod tar;
#[path = "support/tar_records.rs"]
mod tar_records;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Sizes around the thresholds from which on threads are used.
const SIZES: [usize; 9] =
    [2, 1, 256 * KIB - 1, 256 * KIB, MIB - 1, MIB, MIB + 1, 3 * MIB + 13, 300 * KIB];

/// Returns pseudo-random bytes that are the same in each run.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut noise: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| next()).collect();
    noise.truncate(bytes);
    noise
}

/// An archive whose image has such layers.
struct Media {
    list: ImageList,
    tar: Vec<u8>,
    /// The paths of its config and its layers, in the order of the archive.
    blobs: Vec<String>,
}

impl Media {
    fn of(layers: &[Vec<u8>]) -> Self {
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let images = Images::of(&[("r.example/relay:1", &image_of(&layers))]);
        let mut files = BundleFiles::default();
        for (name, bytes) in
            [("bundle.json", b"{}".to_vec()), ("images.json", images.list.to_bytes())]
        {
            files.add(SafePath::parse(name).unwrap(), bytes).unwrap();
        }
        let mut small = Vec::new();
        archive::write(&mut small, None, &files).unwrap();
        let blobs = images.list.blobs().map(|(digest, _)| path_of(&digest)).collect();
        Self { tar: carry(&small, &images.layout()), list: images.list, blobs }
    }

    fn of_sizes(sizes: &[usize]) -> Self {
        let layer = |(seed, size): (usize, &usize)| noise(seed as u64 + 1, *size);
        Self::of(&sizes.iter().enumerate().map(layer).collect::<Vec<_>>())
    }

    fn check<M: SealedMedium>(&self, opening: Opening<M>) -> Result<Carried, ReadError> {
        let (_, tail) = opening.read_sums()?.into_files()?.read()?;
        tail.check(Some(&self.list), &mut hash_only)
    }

    /// Reads an archive in order, as from a pipe.
    fn read_stream(&self, tar: &[u8]) -> Result<Carried, ReadError> {
        self.check(archive::open(tar)?)
    }

    /// Reads an archive from a file.
    fn read_file(&self, tar: &[u8]) -> Result<Carried, ReadError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(tar).unwrap();
        self.check(archive::open_file(fs::File::open(file.path()).unwrap())?)
    }

    /// Returns the range of a file's content.
    fn place_of(&self, name: &str) -> std::ops::Range<usize> {
        records(&self.tar).into_iter().find(|record| record.name == name).unwrap().content
    }
}

fn tampered(result: Result<Carried, ReadError>) -> String {
    match result.unwrap_err().fault {
        Fault::Tampered { path, .. } => path,
        other => panic!("{other}"),
    }
}

#[test]
fn archive_and_pipe_carry_same_content() {
    let media = Media::of_sizes(&SIZES);

    let all = [media.read_file(&media.tar), media.read_stream(&media.tar)].map(Result::unwrap);

    assert_eq!(all[0], all[1]);
    // Also the config and the manifest.
    assert_eq!(all[0].digests().len(), SIZES.len() + 2);
    assert_eq!(all[0].missing(&media.list).count(), 0);
}

#[test]
fn flipped_bit_is_found_at_any_offset() {
    let media = Media::of_sizes(&SIZES);
    for name in &media.blobs {
        let place = media.place_of(name);
        for at in [place.start, usize::midpoint(place.start, place.end - 1), place.end - 1] {
            let mut bad = media.tar.clone();
            bad[at] ^= 0x10;

            assert_eq!(tampered(media.read_file(&bad)), *name);
            assert_eq!(tampered(media.read_stream(&bad)), *name);
        }
    }
}

/// Returns a layer whose digest is so small that few others precede it.
fn early(bytes: usize) -> Vec<u8> {
    let mut layer = noise(1000, bytes);
    for nonce in 0_u64.. {
        layer[..8].copy_from_slice(&nonce.to_le_bytes());
        if Digest::of(&layer).to_string().starts_with('0') {
            break;
        }
    }
    layer
}

/// A further edit of an archive with bad blobs.
type Edit<'a> = dyn Fn(&mut Vec<u8>) + 'a;

#[test]
fn first_bad_blob_is_reported() {
    // The first bad one takes the longest, and there are more than can be queued at a time.
    let large = early(6 * MIB);
    let name = path_of(&Digest::of(&large));
    let layers: Vec<Vec<u8>> = (1..81).map(|seed| noise(seed, 300 * KIB)).chain([large]).collect();
    let media = Media::of(&layers);
    let first = media.blobs.iter().position(|blob| *blob == name).unwrap();
    let place = |blob: usize| media.place_of(&media.blobs[blob]);
    let later = |blob: usize| place(first + blob).start;
    let header = later(20) - 512;
    let spoil = |edit: &Edit<'_>| {
        let mut bad = media.tar.clone();
        bad[place(first).end - 1] ^= 1;
        for blob in [1, 2, 40, 60] {
            bad[later(blob)] ^= 1;
        }
        edit(&mut bad);
        bad
    };
    // Faults outside of the blobs come later in the archive, too.
    let edits: [&Edit<'_>; 4] =
        [&|_| {}, &|tar| tar.push(0), &|tar| tar.truncate(tar.len() - 512), &|tar| {
            tar[header] ^= 1;
        }];
    for bad in edits.map(spoil) {
        let wanted = media.read_stream(&bad).unwrap_err().to_string();
        assert!(wanted.starts_with(&format!("`{name}` was altered")), "{wanted}");
        for _ in 0..4 {
            assert_eq!(media.read_file(&bad).unwrap_err().to_string(), wanted);
        }
    }
}

#[test]
fn file_and_pipe_give_same_refusal() {
    let media = Media::of_sizes(&[300 * KIB, 10, 256 * KIB, MIB + 700, 511, 400 * KIB]);
    // Not in the files that SHA256SUMS lists: other tests cover their content.
    let start = media.place_of("oci-layout").start - 512;
    let (tar, end) = (&media.tar, media.tar.len());
    for round in 0..60_u64 {
        let mut bad = tar.clone();
        let mut numbers = noise(round + 1000, 24)
            .chunks(8)
            .map(|n| u64::from_le_bytes(n.try_into().unwrap()))
            .collect::<Vec<_>>()
            .into_iter();
        let mut below =
            |limit: usize| usize::try_from(numbers.next().unwrap() % limit as u64).unwrap();
        // Half of them are near a header.
        let near = media.place_of(&media.blobs[below(7)]).start - 512;
        let at = if round % 2 == 0 {
            start + below(end - start)
        } else {
            (near + below(1100)).min(end - 1)
        };
        match round % 5 {
            0 => bad.truncate(at),
            1 => drop(bad.splice(at..at, [0; 512])),
            2 => drop(bad.drain(at..(at + 512).min(end))),
            _ => bad[at] ^= 1 << (round % 8),
        }

        let (stream, file) = (media.read_stream(&bad), media.read_file(&bad));

        let stream = stream.unwrap_err().to_string();
        assert_eq!(file.unwrap_err().to_string(), stream, "{round}");
    }
}

/// Reads an archive from a file, and changes the file when the reader is at the blob `at`; with
/// `peek`, after half of that blob was read.
fn changed(
    media: &Media,
    at: usize,
    peek: bool,
    change: &dyn Fn(&fs::File),
) -> Result<Carried, ReadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    fs::write(&path, &media.tar).unwrap();
    let writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let opening = archive::open_file(fs::File::open(&path).unwrap())?;
    let (_, tail) = opening.read_sums()?.into_files()?.read()?;
    tail.check(Some(&media.list), &mut |entry, content| {
        if entry.path.as_str() == media.blobs[at] {
            if peek {
                content.read_exact(&mut vec![0; usize::try_from(entry.bytes / 2).unwrap()])?;
            }
            change(&writer);
        }
        Ok(())
    })
}

#[test]
fn blob_that_is_cut_short_while_others_are_hashed_is_named() {
    let media = Media::of_sizes(&[2 * MIB; 3]);
    let at = media.blobs.len() - 2;
    let place = media.place_of(&media.blobs[at]);
    for peek in [false, true] {
        let cut = |file: &fs::File| file.set_len((place.start + MIB + 100) as u64).unwrap();

        let error = changed(&media, at, peek, &cut).unwrap_err();

        assert!(
            matches!(&error.fault, Fault::Truncated { name } if *name == media.blobs[at]),
            "{error}"
        );
    }
}

#[test]
fn blob_that_is_written_to_while_it_is_read_is_refused() {
    use std::os::unix::fs::FileExt as _;
    let media = Media::of_sizes(&[2 * MIB; 3]);
    let at = media.blobs.len() - 2;
    let place = media.place_of(&media.blobs[at]);
    for peek in [false, true] {
        let write = |file: &fs::File| {
            file.file().write_all_at(b"evil", place.end as u64 - 4).unwrap();
        };

        assert_eq!(tampered(changed(&media, at, peek, &write)), media.blobs[at]);
    }
}

#[test]
fn unread_blobs_are_visited_once() {
    let media = Media::of_sizes(&[300 * KIB; 100]);
    let opening = archive::open(&media.tar[..]).unwrap();
    let (_, tail) = opening.read_sums().unwrap().into_files().unwrap().read().unwrap();
    let mut shown = Vec::new();

    tail.check(Some(&media.list), &mut |entry, _| {
        shown.push(entry.digest);
        Ok(())
    })
    .unwrap();

    assert!(shown.is_sorted());
    assert_eq!(shown.len(), 102);
}

#[test]
fn replaced_archive_keeps_opened_content() {
    let media = Media::of_sizes(&[300 * KIB, 2 * MIB]);
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a.tar"), folder.path().join("b.tar"));
    let changes: [&dyn Fn(); 2] = [
        &|| {
            fs::write(&other, b"evil").unwrap();
            fs::rename(&other, &path).unwrap();
        },
        &|| fs::remove_file(&path).unwrap(),
    ];
    for change in changes {
        fs::write(&path, &media.tar).unwrap();
        let opening = archive::open_file(fs::File::open(&path).unwrap()).unwrap();
        let (_, tail) = opening.read_sums().unwrap().into_files().unwrap().read().unwrap();
        change();

        let carried = tail.check(Some(&media.list), &mut hash_only).unwrap();

        assert_eq!(carried.digests().len(), 4);
    }
}

#[test]
fn archive_that_grows_while_it_is_read_is_refused() {
    use std::os::unix::fs::FileExt as _;
    let media = Media::of_sizes(&[300 * KIB, 2 * MIB]);
    let grow = |file: &fs::File| file.file().write_all_at(b"evil", media.tar.len() as u64).unwrap();

    let error = changed(&media, 0, false, &grow).unwrap_err();

    assert!(matches!(error.fault, Fault::Form { form: FormFault::TrailingData, .. }), "{error}");
}
