//! The compressions that users may have applied to an archive. No bundle is read through them.

/// A compression, recognised by the name or the first bytes of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Compression {
    pub program: &'static str,
    /// The command that decompresses a file.
    pub command: &'static str,
    magic: &'static [u8],
    suffixes: &'static [&'static str],
}

static COMPRESSIONS: [Compression; 5] = [
    Compression {
        program: "gzip",
        command: "gunzip",
        magic: &[0x1f, 0x8b],
        suffixes: &[".gz", ".tgz"],
    },
    Compression {
        program: "zstd",
        command: "unzstd",
        magic: &[0x28, 0xb5, 0x2f, 0xfd],
        suffixes: &[".zst", ".tzst"],
    },
    Compression {
        program: "xz",
        command: "unxz",
        magic: b"\xfd7zXZ\0",
        suffixes: &[".xz", ".txz"],
    },
    Compression {
        program: "bzip2",
        command: "bunzip2",
        magic: b"BZh",
        suffixes: &[".bz2", ".tbz2", ".tbz"],
    },
    Compression { program: "zip", command: "unzip", magic: b"PK\x03\x04", suffixes: &[".zip"] },
];

impl Compression {
    /// Returns the compression of a file that starts with `bytes`.
    pub fn of_content(bytes: &[u8]) -> Option<&'static Self> {
        COMPRESSIONS.iter().find(|compression| bytes.starts_with(compression.magic))
    }

    /// Returns the compression that the name of a file promises.
    pub fn of_name(name: &str) -> Option<&'static Self> {
        let has_suffix =
            |compression: &&Self| compression.suffixes.iter().any(|suffix| name.ends_with(suffix));
        COMPRESSIONS.iter().find(has_suffix)
    }
}
