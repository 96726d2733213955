//! The refusal codes with their meanings and remedies. `docs/format/exit-codes.md` explains them in
//! detail.

/// A refusal code with its explanation.
#[derive(Clone, Copy, Debug)]
pub struct RefusalCode {
    pub code: &'static str,
    /// The beginning of its row in `docs/format/exit-codes.md`.
    pub meaning: &'static str,
    pub remedy: &'static str,
}

/// All codes; each occurs once.
pub const CODES: &[RefusalCode] = &[
    RefusalCode {
        code: "UNSIGNED",
        meaning: "there is no attestation",
        remedy: "ask the builder for the signed bundle; `relay-bundle sign` signs one",
    },
    RefusalCode {
        code: "BAD_ATTESTATION",
        meaning: "the attestation is no DSSE envelope in its only spelling",
        remedy: "copy the bundle again; if it is the same, ask the builder for it by another way",
    },
    RefusalCode {
        code: "BAD_SIGNATURE",
        meaning: "a signature claims a trusted key and is none of these bytes by it; good ones beside it do not help",
        remedy: "copy the bundle again; if it is the same, somebody altered it: keep it, and tell the builder",
    },
    RefusalCode {
        code: "UNTRUSTED_KEY",
        meaning: "no signature is by a key that is trusted",
        remedy: "compare the keys that were found with those of the policy; never add a key that only the bundle names",
    },
    RefusalCode {
        code: "REVOKED_KEY",
        meaning: "the only good signatures are by keys that the policy revokes",
        remedy: "do not use the bundle; ask the builder for one that is signed by a key that counts",
    },
    RefusalCode {
        code: "RETIRED_KEY",
        meaning: "the only good signatures are by keys that count no more for anything new",
        remedy: "ask the builder to sign it with the key that came after",
    },
    RefusalCode {
        code: "KEY_NOT_VALID",
        meaning: "the only good signatures are by keys that are not valid now, or were not when the bundle was issued",
        remedy: "compare the validity of the key in the policy with when the bundle was issued, and with the clock (`date -u`)",
    },
    RefusalCode {
        code: "BELOW_THRESHOLD",
        meaning: "some holders have signed, not enough for any grant; keys of one holder count once",
        remedy: "get the missing signatures (`relay-bundle sign` adds one), or name the key in the grant if it was forgotten",
    },
    RefusalCode {
        code: "WRONG_PAYLOAD_TYPE",
        meaning: "something was signed that is no statement about software",
        remedy: "this is a signature of something else than a bundle: ask the builder for the bundle",
    },
    RefusalCode {
        code: "BAD_STATEMENT",
        meaning: "what was signed is no statement about a bundle that this version understands",
        remedy: "the bundle may be of another version of relay-bundle: ask the builder which",
    },
    RefusalCode {
        code: "NO_GRANT",
        meaning: "the policy has no grant, or none that is about such a bundle, profile and environment",
        remedy: "it may be the wrong bundle; if not, the policy lacks a grant for it, which \
                 `relay-bundle trust add grant` adds",
    },
    RefusalCode {
        code: "BELOW_MIN_SERIAL",
        meaning: "the serial is below `minSerial` of the grant",
        remedy: "take a newer bundle; the policy rules this one out for good",
    },
    RefusalCode {
        code: "REVOKED_CONTENT",
        meaning: "the policy names this content in `revokedContent`",
        remedy: "do not use the bundle: the policy names its content as revoked",
    },
    RefusalCode {
        code: "WRONG_TARGET",
        meaning: "the bundle was signed for other sites than the policy's; or the cluster is not the policy's",
        remedy: "take the bundle that is for this site; if it is the cluster, choose its context \
                 with --context, or the policy of this cluster",
    },
    RefusalCode {
        code: "ISSUED_IN_FUTURE",
        meaning: "the bundle was issued more than a day from now",
        remedy: "check this machine's clock (`date -u`), and that of the builder",
    },
    RefusalCode {
        code: "EXPIRED",
        meaning: "its `expires` is over, or it was issued more than `maxAgeDays` ago",
        remedy: "ask for a newer bundle, or for the same content sealed again; check the clock (`date -u`)",
    },
    RefusalCode {
        code: "ROLLBACK",
        meaning: "a bundle with a higher serial was accepted here for this place",
        remedy: "take a newer bundle; `relay-bundle apply` accepts older content where it is \
                 deployed, `relay-bundle rollback` goes back to what ran in a cluster before; what \
                 never ran there is sealed again with a higher serial",
    },
    RefusalCode {
        code: "EQUIVOCATION",
        meaning: "the same serial was accepted here for another content",
        remedy: "keep both bundles and ask the builder: one serial must not be given out twice",
    },
    RefusalCode {
        code: "CLOCK_BEHIND",
        meaning: "the clock is more than a day behind a bundle that was accepted already",
        remedy: "set this machine's clock; if a bundle from the future was recorded, see `relay-bundle state reset`",
    },
    RefusalCode {
        code: "TAMPERED",
        meaning: "a file, `SHA256SUMS` or the bundle as a whole differs from what was signed",
        remedy: "copy the bundle again; if it is the same, somebody altered it: keep it, and tell the builder",
    },
    RefusalCode {
        code: "EXTRA_FILE",
        meaning: "there is a file that was not signed, or one is there twice or out of order",
        remedy: "remove what does not belong to the bundle, or copy the bundle again",
    },
    RefusalCode {
        code: "MISSING_FILE",
        meaning: "a file that was signed is not there",
        remedy: "copy the bundle again, with all its files",
    },
    RefusalCode {
        code: "TRUNCATED",
        meaning: "the bundle is cut short",
        remedy: "the copy is not complete: copy it again, and compare sizes",
    },
    RefusalCode {
        code: "BAD_FORM",
        meaning: "a file or the archive has another form than this program writes: a link, a mode, a header, data after the end",
        remedy: "it is no bundle, or not as this program writes it: copy it again; unpacking keeps modes with `tar -p`",
    },
    RefusalCode {
        code: "BAD_SUMS",
        meaning: "what was signed is no list of a bundle's files in its only spelling",
        remedy: "ask the builder for the bundle: what was signed is no list of a bundle's files",
    },
    RefusalCode {
        code: "TOO_LARGE",
        meaning: "a limit of the bundle format is exceeded",
        remedy: "ask the builder: no bundle that this program makes is so large",
    },
    RefusalCode {
        code: "CONTENT_MISMATCH",
        meaning: "the bytes are as signed, but the content contradicts the statement or itself",
        remedy: "do not use the bundle, and tell its signers: this program does not build such a bundle",
    },
    RefusalCode {
        code: "FORBIDDEN_CONTENT",
        meaning: "the bytes are as signed, but an object has a field or value that no bundle may have",
        remedy: "do not use the bundle: it asks for more of the cluster than a bundle may; tell its signers, and keep it",
    },
    RefusalCode {
        code: "UNREADABLE",
        meaning: "the medium failed before the end of the bundle; nothing is known of it. The exit code is 4, not 3",
        remedy: "check the medium, and copy the bundle again",
    },
    RefusalCode {
        code: "IMAGES_MISSING",
        meaning: "`verify --images all` found a config or layer missing, or images that are not pinned; the bundle itself is trusted",
        remedy: "fetch the images where the bundle was built, then carry them: `relay-bundle pack BUNDLE FILE --images all`",
    },
];

/// Returns the entry of a code, ignoring case.
pub fn find(code: &str) -> Option<&'static RefusalCode> {
    CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}
