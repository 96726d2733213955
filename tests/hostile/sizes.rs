//! False sizes, endless lists, and documents that expand when they are parsed.

use std::io::{self, Read};

use relay_bundle::images::list::ImageList;
use relay_bundle::images::reference::ImageReference;
use relay_bundle::model::digest::Digest;

use crate::archives::Tar;
use crate::carried::image::{Format, Image};
use crate::carried::{Images, bundle_of, carry, locked, path_of};
use crate::program::Place;
use crate::shipped::{bundle, pack};
use crate::tar::{BLOCK, file, header, set};
use crate::tar_records::records;

const MIB: usize = 1 << 20;
const LARGEST: usize = (8 << 30) - 1;
const ENTRIES: u64 = 10_000_000;

/// Returns an archive up to the header of a blob that should have 8 GiB and claims to have `bytes`.
fn with_large_blob(bytes: usize) -> Vec<u8> {
    let tiny = Image::tiny(Format::Oci);
    let mut image = locked(&tiny);
    let (digest, _) = image.blobs.pop_last().unwrap();
    image.blobs.insert(digest, LARGEST as u64);
    let name = "ghcr.io/wei-shaw/claude-relay-service:v1.1.314".parse::<ImageReference>().unwrap();
    let list = ImageList::of([(name.pinned(image.digest), &image)]).unwrap();
    let images = Images { list, ..Images::tiny() };
    let archive = pack(&bundle_of(image), None);
    let whole = carry(&archive, &images.layout());
    // The part of the layout before it stays.
    let place = records(&whole).into_iter().find(|record| record.name == path_of(&digest)).unwrap();
    let before = &whole[..place.content.start - BLOCK];
    [before, &header(&path_of(&digest), bytes)].concat()
}

#[test]
fn claimed_size_takes_no_memory() {
    let Some(mut place) = Place::new() else { return };
    let table = [
        ("a list of 8 GiB", header("SHA256SUMS", LARGEST), "the limit is 4194304"),
        ("a list of 4 MiB and nothing behind", header("SHA256SUMS", 4 * MIB), "truncated"),
        (
            "a list of 4 MiB and 1",
            file("SHA256SUMS", &vec![b'a'; 4 * MIB + 1]),
            "the limit is 4194304",
        ),
        ("an attestation of 8 GiB", header("attestation.dsse.json", LARGEST), "the limit is 65536"),
        ("an attestation of 64 KiB", header("attestation.dsse.json", 64 << 10), "truncated"),
        (
            "an attestation of 64 KiB and 1",
            file("attestation.dsse.json", &vec![b'a'; (64 << 10) + 1]),
            "the limit is 65536",
        ),
        ("a blob of 8 GiB and nothing behind", with_large_blob(LARGEST), "truncated"),
        (
            "a blob that is smaller than listed",
            with_large_blob(MIB),
            "images.json lists 8589934591 bytes",
        ),
    ];
    for (what, bytes, why) in table {
        place.refuses(what, &bytes, why);
    }
    for (name, why) in [
        ("bundle.json", "the limit is 4194304"),
        ("recipe.json", "the limit is 4194304"),
        ("manifests/a.yaml", "the limit is 1048576"),
    ] {
        let mut tar = Tar::listing(&[(name, b"")]);
        tar.files[1] = header(name, LARGEST);
        place.refuses(name, &tar.bytes(), why);
    }
    place.settle("claimed sizes");
}

#[test]
fn list_above_file_limit_is_refused_and_list_at_limit_is_read() {
    let Some(mut place) = Place::new() else { return };
    let list = |files: usize| {
        let digest = Digest::of(b"");
        let line = |number| format!("{digest}  manifests/{}{number:020}.yaml\n", "a".repeat(65));
        file("SHA256SUMS", (0..files).map(line).collect::<String>().as_bytes())
    };

    place.refuses("20,001 files", &list(20_001), "lists 20001 files; the limit is 20000");
    place.refuses(
        "20,000 files and nothing behind",
        &list(20_000),
        "truncated in or after `SHA256SUMS`",
    );
    place.settle("long lists");
}

/// Repeats a record.
struct Repeated {
    record: Vec<u8>,
    at: usize,
    left: u64,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let bytes = (self.record.len() - self.at).min(buffer.len());
        buffer[..bytes].copy_from_slice(&self.record[self.at..self.at + bytes]);
        self.at = (self.at + bytes) % self.record.len();
        self.left -= u64::from(self.at == 0);
        Ok(bytes)
    }
}

#[test]
fn ten_million_entries_are_refused_at_first_excess_entry() {
    let Some(mut place) = Place::new() else { return };
    let good = Tar::new();
    let without_end = good.files.concat();
    let of_type = |name: &str, typeflag: u8| {
        let mut record = header(name, 0);
        set(&mut record, "typeflag", &[typeflag]);
        record
    };
    let table = [
        ("empty files", without_end.clone(), header("zzz", 0), "unexpected file"),
        ("the list again and again", Vec::new(), good.files[0].clone(), "unexpected file"),
        (
            "the last file again and again",
            without_end.clone(),
            good.files.last().unwrap().clone(),
            "unexpected file",
        ),
        ("folders", without_end.clone(), of_type("manifests/", b'5'), "field `typeflag`"),
        ("folders in front", Vec::new(), of_type("manifests/", b'5'), "field `typeflag`"),
        ("pax headers", Vec::new(), of_type("PaxHeaders/x", b'x'), "field `typeflag`"),
        ("GNU long names", Vec::new(), of_type("././@LongLink", b'L'), "field `typeflag`"),
        (
            "attestations",
            Vec::new(),
            file("attestation.dsse.json", b"{}"),
            "`SHA256SUMS` is missing",
        ),
        ("zero blocks", without_end.clone(), vec![0; BLOCK], "data after the end"),
        ("zero blocks in front", Vec::new(), vec![0; BLOCK], "`SHA256SUMS` is missing"),
    ];
    for (what, start, record, why) in table {
        let known = start.len() as u64;
        let stream = io::Cursor::new(start).chain(Repeated { record, at: 0, left: ENTRIES });

        let taken = place.refuses_stream(what, stream, why);

        // Beyond the good part: the capacity of the pipe and two buffers.
        assert!(taken <= known + (256 << 10), "{what}: {taken} bytes were taken");
    }
    place.settle("ten million entries");
}

#[test]
fn documents_that_grow_when_they_are_read_take_little_memory() {
    let Some(mut place) = Place::new() else { return };
    let many = |item: &str| format!("[{}0]", item.repeat((4 * MIB - 3) / item.len())).into_bytes();
    let documents = [
        ("nested lists", vec![b'['; 4 * MIB]),
        ("numbers", many("0,")),
        ("lists", many("[],")),
        ("objects in objects", many("{\"a\":{}},")),
        ("texts with brackets", many("\"\\\"{[,\",")),
    ];
    let good = bundle("production");
    for (what, document) in documents {
        for name in ["bundle.json", "recipe.json"] {
            let content =
                |path| if path == name { &document[..] } else { good.get(path).unwrap().bytes() };
            let files = ["bundle.json", "recipe.json"].map(|path| (path, content(path)));
            let why = format!("`{name}` has more than 50000 values");
            place.refuses(&format!("{what} in {name}"), &Tar::listing(&files).bytes(), &why);
        }
    }
    place.settle("documents");
}

#[test]
fn manifests_that_grow_when_they_are_read_take_little_memory() {
    let Some(mut place) = Place::new() else { return };
    let good = bundle("production");
    let many = |item: &str| format!("a: [{}0]\n", item.repeat((MIB - 6) / item.len())).into_bytes();
    let manifests = [
        ("nested lists", vec![b'['; MIB]),
        ("numbers", many("0,")),
        ("objects", many("{a: {}},")),
        (
            "aliases",
            b"a: &a [0,0,0,0,0,0,0,0,0]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b]\n"
                .to_vec(),
        ),
    ];
    let victim = good
        .iter()
        .map(|(path, _)| path.as_str())
        .find(|path| path.starts_with("manifests/"))
        .unwrap();
    for (what, manifest) in manifests {
        let files: Vec<(&str, &[u8])> = good
            .iter()
            .map(|(path, file)| {
                (path.as_str(), if path.as_str() == victim { &manifest[..] } else { file.bytes() })
            })
            .collect();
        place.refuses(what, &Tar::listing(&files).bytes(), victim);
    }
    place.settle("manifests");
}
