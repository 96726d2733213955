//! Tampering that keeps every header valid: files are swapped, moved, renamed, added, left out and
//! changed.

use relay_bundle::model::digest::Digest;

use crate::carried::{Images, path_of};
use crate::tar::{BLOCK, file, set};
use crate::tar_records::{Record, records};

/// A valid archive, taken apart.
pub(crate) struct Original {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Record>,
}

/// A file of an archive.
type File = (String, Vec<u8>);

/// Receives each archive of a kind of tampering.
pub(crate) type Sink<'a> = dyn FnMut(Vec<u8>) + 'a;

impl Original {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let records = records(&bytes);
        let original = Self { bytes, records };
        // Otherwise the edited archives would be refused for their headers.
        assert!(written(&original.files()) == original.bytes);
        original
    }

    fn files(&self) -> Vec<File> {
        let content = |record: &Record| self.bytes[record.content.clone()].to_vec();
        self.records.iter().map(|record| (record.name.clone(), content(record))).collect()
    }

    /// Passes `sink` the archive of the files after each of the edits.
    fn edit<T>(
        &self,
        edits: impl IntoIterator<Item = T>,
        edit: impl Fn(&mut Vec<File>, T),
        sink: &mut Sink,
    ) {
        for item in edits {
            let mut files = self.files();
            edit(&mut files, item);
            sink(written(&files));
        }
    }

    /// Returns the indices of required files: all but configs and layers.
    pub(crate) fn needed(&self) -> impl Iterator<Item = usize> {
        let manifest = path_of(&Images::tiny().manifest());
        let is_needed =
            move |record: &Record| !record.name.starts_with("blobs/") || record.name == manifest;
        let places = self.records.iter().enumerate();
        places.filter(move |(_, record)| is_needed(record)).map(|(place, _)| place)
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.records.len();
        (0..count).flat_map(move |left| (left + 1..count).map(move |right| (left, right)))
    }
}

fn written(files: &[File]) -> Vec<u8> {
    let mut bytes: Vec<u8> = files.iter().flat_map(|(name, content)| file(name, content)).collect();
    bytes.extend([0; 2 * BLOCK]);
    bytes
}

pub(crate) fn swap_contents(original: &Original, sink: &mut Sink) {
    let swap = |files: &mut Vec<File>, (left, right): (usize, usize)| {
        let kept = files[left].1.clone();
        files[left].1 = std::mem::replace(&mut files[right].1, kept);
    };
    original.edit(original.pairs(), swap, sink);
}

pub(crate) fn reorder(original: &Original, sink: &mut Sink) {
    original.edit(original.pairs(), |files, (left, right)| files.swap(left, right), sink);
}

pub(crate) fn duplicate(original: &Original, sink: &mut Sink) {
    let count = original.records.len();
    let places = (0..count).flat_map(|from| (0..=count).map(move |to| (from, to)));
    original.edit(places, |files, (from, to)| files.insert(to, files[from].clone()), sink);
}

pub(crate) fn leave_out(original: &Original, sink: &mut Sink) {
    original.edit(original.needed(), |files, at| drop(files.remove(at)), sink);
}

pub(crate) fn add(original: &Original, sink: &mut Sink) {
    let names =
        ["manifests/00-evil.yaml", "blobs/sha256/evil", "zzz", "attestation.dsse.jso", ".evil"];
    let places =
        names.iter().flat_map(|name| (0..=original.records.len()).map(move |at| (*name, at)));
    let add = |files: &mut Vec<File>, (name, at): (&str, usize)| {
        files.insert(at, (name.to_owned(), b"evil\n".to_vec()));
    };
    original.edit(places, add, sink);
}

/// Returns a new name for a file, given its own and that of another one.
const NAMES: [fn(&str, &str) -> String; 8] = [
    |_, other| other.to_owned(),
    |_, _| "manifests/99-evil.yaml".to_owned(),
    |own, _| own.to_uppercase() + "A",
    |own, _| format!("./{own}"),
    |own, _| format!("../{own}"),
    |own, _| format!("/{own}"),
    |own, _| format!("{own}/"),
    |_, _| String::new(),
];

pub(crate) fn rename(original: &Original, sink: &mut Sink) {
    let count = original.records.len();
    let names = (0..count).flat_map(|at| NAMES.map(|name| (at, name)));
    let rename = |files: &mut Vec<File>, (at, name): (usize, fn(&str, &str) -> String)| {
        files[at].0 = name(&files[at].0, &files[(at + 1) % count].0);
    };
    original.edit(names, rename, sink);
}

/// Changes of a file's content.
const CHANGES: [fn(&mut Vec<u8>); 5] = [
    Vec::clear,
    |content| content.push(b'\n'),
    |content| content.truncate(content.len() - 1),
    // Reversing could leave a short content unchanged.
    |content| content.iter_mut().for_each(|byte| *byte ^= 0x20),
    |content| content.extend_from_within(..),
];

pub(crate) fn change(original: &Original, sink: &mut Sink) {
    let changes = (0..original.records.len()).flat_map(|at| CHANGES.map(|change| (at, change)));
    original.edit(changes, |files, (at, change)| change(&mut files[at].1), sink);
}

/// Changes a file and updates `SHA256SUMS`, so that the archive is consistent.
pub(crate) fn forge(original: &Original, sink: &mut Sink) {
    let forge = |files: &mut Vec<File>, at: usize| {
        let before = Digest::of(&files[at].1).to_string();
        files[at].1.push(b'\n');
        let after = Digest::of(&files[at].1).to_string();
        let sums = files.iter_mut().find(|(name, _)| name == "SHA256SUMS").unwrap();
        sums.1 = String::from_utf8(sums.1.clone()).unwrap().replace(&before, &after).into_bytes();
    };
    // The list contains neither the attestation nor itself.
    original.edit(2..original.records.len(), forge, sink);
}

/// Other values of fields, each under a correct checksum.
const VALUES: [(&str, &[u8]); 14] = [
    ("mode", b"0000755"),
    ("mode", b"0004644"),
    ("mode", b"000644 "),
    ("uid", b"0000001"),
    ("gid", b"0000001"),
    ("size", b"\x80\0\0\0\0\0\0\0\0\0\0\x01"),
    ("mtime", b"00000000001"),
    ("linkname", b"bundle.json"),
    ("magic", b"ustar "),
    ("version", b" "),
    ("uname", b"root"),
    ("devmajor", b"0000001"),
    ("prefix", b"manifests"),
    ("padding", b"evil"),
];

pub(crate) fn set_fields(original: &Original, sink: &mut Sink) {
    for record in &original.records {
        for (field, value) in VALUES {
            let mut bytes = original.bytes.clone();
            set(&mut bytes[record.content.start - BLOCK..], field, value);
            sink(bytes);
        }
        for typeflag in (0..=u8::MAX).filter(|typeflag| *typeflag != b'0') {
            let mut bytes = original.bytes.clone();
            set(&mut bytes[record.content.start - BLOCK..], "typeflag", &[typeflag]);
            sink(bytes);
        }
    }
}

/// The number of cases that the functions above make of `files` files.
pub(crate) mod count {
    use super::{CHANGES, NAMES, VALUES};

    pub(crate) fn pairs(files: usize) -> usize {
        files * (files - 1) / 2
    }

    pub(crate) fn duplicate(files: usize) -> usize {
        files * (files + 1)
    }

    pub(crate) fn add(files: usize) -> usize {
        5 * (files + 1)
    }

    pub(crate) fn rename(files: usize) -> usize {
        files * NAMES.len()
    }

    pub(crate) fn change(files: usize) -> usize {
        files * CHANGES.len()
    }

    pub(crate) fn set_fields(files: usize) -> usize {
        files * (VALUES.len() + 255)
    }
}
