"""Writes hostile archives with Python's tarfile: hostile_archives.py GOOD_ARCHIVE FOLDER.

Every archive is the good one but for one thing. Without another word it ends in two zero blocks, so that its length is
not why it is refused.
"""

import bz2
import copy
import gzip
import io
import lzma
import pathlib
import sys
import tarfile

USTAR, GNU, PAX = tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT
# Newer Pythons leave the device numbers of plain files empty, where GNU tar and this project write zeros.
create_header = tarfile.TarInfo._create_header


def create_header_with_device_numbers(*arguments):
    header = bytearray(create_header(*arguments))
    for at in (329, 337):
        if header[at] == 0:
            header[at : at + 8] = b"0000000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


tarfile.TarInfo._create_header = staticmethod(create_header_with_device_numbers)
good = pathlib.Path(sys.argv[1]).read_bytes()
folder = pathlib.Path(sys.argv[2])
with tarfile.open(fileobj=io.BytesIO(good)) as tar:
    files = [(member, tar.extractfile(member).read()) for member in tar]


def member(name, **fields):
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def archive(members, format=USTAR, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format, **options) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def trimmed(bytes_):
    return bytes_.rstrip(b"\0").ljust((len(bytes_.rstrip(b"\0")) + 511) // 512 * 512, b"\0") + bytes(1024)


def write(name, bytes_):
    (folder / f"{name}.tar").write_bytes(bytes_)


def edited(at, content=None, **fields):
    """The files, with other fields of one of them."""
    members = [(copy.copy(info), content) for info, content in files]
    for field, value in fields.items():
        setattr(members[at][0], field, value)
    if content is not None:
        members[at] = (members[at][0], content)
    return members


def added(info, content=b"evil\n", at=None):
    info.size = len(content) if info.isreg() else info.size
    members = list(files)
    members.insert(len(members) if at is None else at, (info, content))
    return members


write("good", trimmed(archive(files)))
write("good-pax", trimmed(archive(files, PAX)))

# Where a file would land.
for name, path in {
    "traversal": "../evil",
    "traversal-inside": "manifests/../../evil",
    "absolute": "/etc/cron.d/evil",
    "dot": "./bundle.json",
    "case": "BUNDLE.JSON",
    "unicode": "manifests/e\u0301.yaml",
    "control": "manifests/\x1b[31m.yaml",
    "newline": "manifests/a\nbundle.json",
    "backslash": "..\\evil",
}.items():
    write(f"name-{name}", trimmed(archive(added(member(path)))))
write("name-not-utf8", trimmed(archive(added(member("\udcff\udcfe")), errors="surrogateescape")))
write("name-prefix", trimmed(archive(added(member("manifests/" + "a" * 90 + "/" + "b" * 50)))))
write("duplicate", trimmed(archive(files + files[1:2])))
write("duplicate-list", trimmed(archive(files[:1] + files)))

# What it would be.
for name, kind in {
    "hard-link": tarfile.LNKTYPE,
    "symbolic-link": tarfile.SYMTYPE,
    "character-device": tarfile.CHRTYPE,
    "block-device": tarfile.BLKTYPE,
    "folder": tarfile.DIRTYPE,
    "fifo": tarfile.FIFOTYPE,
    "contiguous": tarfile.CONTTYPE,
    "gnu-sparse": tarfile.GNUTYPE_SPARSE,
    "old": tarfile.AREGTYPE,
    "solaris-pax": tarfile.SOLARIS_XHDTYPE,
    "unknown": b"Z",
}.items():
    write(f"type-{name}", trimmed(archive(edited(2, type=kind, linkname="bundle.json"))))
write("link-then-file", trimmed(archive(added(member("manifests", type=tarfile.SYMTYPE, linkname="/tmp"), b"", 1))))

# Other fields.
for name, fields in {
    "mode": {"mode": 0o755},
    "setuid": {"mode": 0o4644},
    "uid": {"uid": 1000},
    "gid": {"gid": 1000},
    "mtime": {"mtime": 1_700_000_000},
    "uname": {"uname": "root"},
    "gname": {"gname": "root"},
    "linkname": {"linkname": "/etc/passwd"},
}.items():
    write(f"field-{name}", trimmed(archive(edited(2, **fields))))

# Extensions of GNU tar.
write("gnu", trimmed(archive(files, GNU)))
write("gnu-long-name", trimmed(archive(added(member("a" * 200)), GNU)))
write("gnu-long-link", trimmed(archive(added(member("a", type=tarfile.SYMTYPE, linkname="b" * 200), b""), GNU)))
write("gnu-base-256-uid", trimmed(archive(edited(0, uid=1 << 40), GNU)))
write("gnu-base-256-mtime", trimmed(archive(edited(0, mtime=-1), GNU)))
large = member("SHA256SUMS", size=1 << 60)
write("gnu-base-256-size", large.tobuf(GNU) + bytes(1024))

# Extensions of pax, which go before the header that they change.
for name, headers in {
    "path": {"path": "../evil"},
    "linkpath": {"linkpath": "/etc/passwd"},
    "size-0": {"size": "0"},
    "size-large": {"size": str(1 << 60)},
    "size-negative": {"size": "-1"},
    "uid": {"uid": "0"},
    "mtime": {"mtime": "0.5"},
    "comment": {"comment": "harmless"},
    "charset": {"hdrcharset": "BINARY"},
    "xattr": {"SCHILY.xattr.security.capability": "x"},
    "acl": {"SCHILY.acl.access": "user::rwx"},
    "sparse-0.0": {"GNU.sparse.size": "8589934591", "GNU.sparse.numblocks": "0"},
    "sparse-0.1": {"GNU.sparse.map": "0,1", "GNU.sparse.size": "8589934591"},
    "sparse-1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "8589934591"},
}.items():
    write(f"pax-{name}", trimmed(archive(edited(1, pax_headers=headers), PAX)))
write("pax-global", trimmed(archive(files, PAX, pax_headers={"path": "../evil"})))
write("pax-long-name", trimmed(archive(added(member("\u00e9" * 200)), PAX)))

# Around the archive.
write("blocking-20", archive(files))
write("concatenated", trimmed(archive(files)) * 2)
write("gzip", gzip.compress(good))
write("bzip2", bz2.compress(good))
write("xz", lzma.compress(good))
