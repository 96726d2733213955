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
        meaning: "the bundle has no attestation",
        remedy: "ask the builder for the signed bundle; to sign one, use `relay-bundle sign`",
    },
    RefusalCode {
        code: "BAD_ATTESTATION",
        meaning: "the attestation is not a DSSE envelope in canonical form",
        remedy: "copy the bundle again; if that does not help, ask the builder for another copy",
    },
    RefusalCode {
        code: "BAD_SIGNATURE",
        meaning: "a signature names a trusted key but does not match it; valid ones beside it do \
                  not help",
        remedy: "copy the bundle again; if that does not help, it was altered: keep it, and tell \
                 the builder",
    },
    RefusalCode {
        code: "UNTRUSTED_KEY",
        meaning: "no signature is by a trusted key",
        remedy: "compare the found keys with those of the policy; never add a key that only the \
                 bundle names",
    },
    RefusalCode {
        code: "REVOKED_KEY",
        meaning: "the only valid signatures are by keys that the policy revokes",
        remedy: "do not use the bundle; ask the builder for one that is signed by a valid key",
    },
    RefusalCode {
        code: "RETIRED_KEY",
        meaning: "the only valid signatures are by retired keys, which are not accepted for new \
                  bundles",
        remedy: "ask the builder to sign it with the successor of the key",
    },
    RefusalCode {
        code: "KEY_NOT_VALID",
        meaning: "the only valid signatures are by keys that are not valid now, or were not when \
                  the bundle was issued",
        remedy: "compare the key's validity in the policy with the issue time of the bundle and \
                 with the clock (`date -u`)",
    },
    RefusalCode {
        code: "BELOW_THRESHOLD",
        meaning: "fewer holders have signed than any grant requires; keys of one holder count once",
        remedy: "get the missing signatures (`relay-bundle sign` adds one), or add a forgotten key \
                 to the grant",
    },
    RefusalCode {
        code: "WRONG_PAYLOAD_TYPE",
        meaning: "the signed payload is not a statement about software",
        remedy: "the signature is not for a bundle: ask the builder for the bundle",
    },
    RefusalCode {
        code: "BAD_STATEMENT",
        meaning: "the signed statement is not one about a bundle that this version supports",
        remedy: "another version of relay-bundle may have made the bundle: ask the builder which",
    },
    RefusalCode {
        code: "NO_GRANT",
        meaning: "the policy has no grant for this bundle, profile, environment and namespace",
        remedy: "check whether it is the right bundle; if so, add a grant with `relay-bundle trust \
                 add grant`",
    },
    RefusalCode {
        code: "BELOW_MIN_SERIAL",
        meaning: "the serial is below `minSerial` of the grant",
        remedy: "use a newer bundle; the policy permanently excludes this one",
    },
    RefusalCode {
        code: "REVOKED_CONTENT",
        meaning: "the policy lists this content in `revokedContent`",
        remedy: "do not use the bundle: the policy revokes its content",
    },
    RefusalCode {
        code: "WRONG_TARGET",
        meaning: "the bundle is signed for other sites than that of the policy, or the cluster is \
                  not that of the policy",
        remedy: "use the bundle for this site; if the cluster is wrong, pass another context with \
                 --context, or the policy of this cluster",
    },
    RefusalCode {
        code: "ISSUED_IN_FUTURE",
        meaning: "the bundle was issued more than a day in the future",
        remedy: "check this machine's clock (`date -u`), and that of the builder",
    },
    RefusalCode {
        code: "EXPIRED",
        meaning: "its `expires` has passed, or it was issued more than `maxAgeDays` ago",
        remedy: "ask for a newer bundle, or for a new statement for the same content; check the \
                 clock (`date -u`)",
    },
    RefusalCode {
        code: "ROLLBACK",
        meaning: "a bundle with a higher serial was accepted here for this place",
        remedy: "use a newer bundle; `relay-bundle apply` accepts older content where it is \
                 deployed, and `relay-bundle rollback` restores an earlier generation of a \
                 cluster; content that never ran there needs a new statement with a higher serial",
    },
    RefusalCode {
        code: "EQUIVOCATION",
        meaning: "the same serial was accepted here for different content",
        remedy: "keep both bundles and ask the builder: a serial must not be used twice",
    },
    RefusalCode {
        code: "CLOCK_BEHIND",
        meaning: "the clock is more than a day behind an accepted bundle",
        remedy: "set this machine's clock; if a bundle from the future was recorded, see `relay-bundle state reset`",
    },
    RefusalCode {
        code: "TAMPERED",
        meaning: "a file, `SHA256SUMS` or the whole bundle does not match the signed content",
        remedy: "copy the bundle again; if that does not help, it was altered: keep it, and tell \
                 the builder",
    },
    RefusalCode {
        code: "EXTRA_FILE",
        meaning: "a file is unsigned, duplicate or out of order",
        remedy: "remove files that do not belong to the bundle, or copy the bundle again",
    },
    RefusalCode {
        code: "MISSING_FILE",
        meaning: "a signed file is missing",
        remedy: "copy the bundle again, with all its files",
    },
    RefusalCode {
        code: "TRUNCATED",
        meaning: "the bundle is truncated",
        remedy: "the copy is incomplete: copy it again, and compare sizes",
    },
    RefusalCode {
        code: "BAD_FORM",
        meaning: "a file or the archive is not in the form that this program writes: a link, a \
                  mode, a header, data after the end, compression",
        remedy: "it is not a bundle, or not in the form that this program writes: decompress it, or \
                 copy it again; unpack with `tar -p` to keep modes",
    },
    RefusalCode {
        code: "BAD_SUMS",
        meaning: "the signed content is not a list of bundle files in canonical form",
        remedy: "ask the builder for the bundle: the signed content is not a list of bundle files",
    },
    RefusalCode {
        code: "TOO_LARGE",
        meaning: "a limit of the bundle format is exceeded",
        remedy: "ask the builder: this program does not make bundles this large",
    },
    RefusalCode {
        code: "CONTENT_MISMATCH",
        meaning: "the bytes match the signature, but the content contradicts the statement or \
                  itself",
        remedy: "do not use the bundle, and tell its signers: this program does not build such a bundle",
    },
    RefusalCode {
        code: "FORBIDDEN_CONTENT",
        meaning: "the bytes match the signature, but an object has a field or value that no bundle \
                  may have",
        remedy: "do not use the bundle: it requests more of the cluster than a bundle may; tell \
                 its signers, and keep it",
    },
    RefusalCode {
        code: "UNREADABLE",
        meaning: "the medium failed before the end of the bundle, which was not verified. The exit \
                  code is 4, not 3",
        remedy: "check the medium, and copy the bundle again",
    },
    RefusalCode {
        code: "IMAGES_MISSING",
        meaning: "`verify --images all` found a config or layer missing, or images that are not pinned; the bundle itself is trusted",
        remedy: "those of a store entry: `relay-bundle fetch @ENTRY`; for an archive, fetch them \
                 where the bundle was built, then add them: `relay-bundle pack BUNDLE FILE \
                 --images all`",
    },
];

/// Returns the entry of a code, ignoring case.
pub fn find(code: &str) -> Option<&'static RefusalCode> {
    CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}
