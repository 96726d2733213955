#!/bin/sh
# Checks a signed bundle without relay-bundle. Needs a POSIX shell, openssl 3, and sha256sum, base64, tar, sed, find as
# GNU and busybox have them.
#
#     sh verify.sh BUNDLE PUBLIC.pem [PUBLIC.pem ...]
#
# BUNDLE is a folder or an archive. Every key that is named must have signed it; take the keys from a place that you
# trust, never from where the bundle came from. Nothing of an archive is unpacked before its signatures are good.
#
# Exit status: 0 the signatures and every file are good, 3 they are not, 2 the command is wrong.
#
# What it does not check, and `relay-bundle verify` does: who may sign what, how many must, expiry, replay of an older
# release, the site, and that the manifests say what bundle.json says. So read the statement that it prints.
set -eu
LC_ALL=C
export LC_ALL

usage() {
  echo "usage: sh verify.sh BUNDLE PUBLIC.pem [PUBLIC.pem ...]" >&2
  exit 2
}
refuse() {
  echo "NOT TRUSTED: $*" >&2
  exit 3
}

[ $# -ge 2 ] || usage
bundle=$1
shift
[ -d "$bundle" ] || [ -f "$bundle" ] || usage

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

# --- the two files that come first ---

if [ -d "$bundle" ]; then
  for name in attestation.dsse.json SHA256SUMS; do
    [ -f "$bundle/$name" ] && [ ! -h "$bundle/$name" ] || refuse "$name is missing"
    cat "$bundle/$name" >"$work/$name"
  done
else
  # Only to standard output: nothing in the archive chooses where it is written.
  for name in attestation.dsse.json SHA256SUMS; do
    tar -xOf "$bundle" "$name" >"$work/$name" 2>/dev/null || refuse "$name is missing"
  done
fi

# --- the envelope: {"payload":BASE64,"payloadType":TYPE,"signatures":[{"keyid":HEX,"sig":BASE64},...]} ---

type=application/vnd.in-toto+json
signature='{"keyid":"[0-9a-f]*","sig":"[A-Za-z0-9+/=]*"}'
sed -n 's|^{"payload":"\([A-Za-z0-9+/=]*\)","payloadType":"'$type'","signatures":\['"$signature"'\(,'"$signature"'\)*\]}$|\1|p' \
  "$work/attestation.dsse.json" >"$work/payload.b64"
[ -s "$work/payload.b64" ] || refuse "attestation.dsse.json is no envelope of a bundle"
base64 -d <"$work/payload.b64" >"$work/payload" || refuse "the payload is no base64"

# --- what is signed: the pre-authentication encoding of DSSE v1 ---

bytes=$(wc -c <"$work/payload")
{
  printf 'DSSEv1 %d %s %d ' ${#type} "$type" $((bytes))
  cat "$work/payload"
} >"$work/signed"

for public in "$@"; do
  openssl pkey -pubin -in "$public" -outform DER -out "$work/key.der" 2>/dev/null ||
    { echo "$public is no public key" >&2; exit 2; }
  keyid=$(sha256sum <"$work/key.der" | cut -c1-64)
  sed -n 's|.*{"keyid":"'"$keyid"'","sig":"\([A-Za-z0-9+/=]*\)"}.*|\1|p' "$work/attestation.dsse.json" >"$work/sig.b64"
  [ -s "$work/sig.b64" ] || refuse "$public ($keyid) has not signed it"
  base64 -d <"$work/sig.b64" >"$work/sig" || refuse "the signature of $keyid is no base64"
  openssl pkeyutl -verify -rawin -pubin -inkey "$public" -in "$work/signed" -sigfile "$work/sig" >/dev/null 2>&1 ||
    refuse "the signature of $public ($keyid) is wrong"
  echo "signed by $public, keyid $keyid"
done

# --- the statement is about this SHA256SUMS ---

id=$(sha256sum <"$work/SHA256SUMS" | cut -c1-64)
payload=$(cat "$work/payload")
case $payload in
'{"_type":"https://in-toto.io/Statement/v1","predicate":{'*'},"predicateType":"urn:relay-bundle:bundle:v1","subject":[{"digest":{"sha256":"'"$id"'"},"name":"SHA256SUMS"}]}') ;;
*) refuse "the statement is about another bundle: the content id of this one is sha256:$id" ;;
esac

# --- SHA256SUMS lists what may be there, and nothing else is ---

if sed -n '/^[0-9a-f]\{64\}  [a-z0-9][a-z0-9._-]*\(\/[a-z0-9][a-z0-9._-]*\)*$/!p' "$work/SHA256SUMS" | grep -q .; then
  refuse "SHA256SUMS has a line that is none of a bundle"
fi
{
  echo attestation.dsse.json
  echo SHA256SUMS
  cut -c67- "$work/SHA256SUMS"
} >"$work/expected"

if [ -d "$bundle" ]; then
  files=$bundle
else
  tar -tf "$bundle" >"$work/listed" || refuse "the archive is damaged"
  cmp -s "$work/expected" "$work/listed" || refuse "the archive holds other files than SHA256SUMS lists"
  tar -tvf "$bundle" | grep -v '^-rw-r--r-- ' >"$work/odd" || true
  [ ! -s "$work/odd" ] || refuse "the archive has something that is no plain file"
  mkdir "$work/files"
  tar -xf "$bundle" -C "$work/files" || refuse "the archive is damaged"
  files=$work/files
fi
(cd "$files" && find . ! -type d ! -type f) >"$work/odd"
[ ! -s "$work/odd" ] || refuse "the bundle has something that is no regular file"
(cd "$files" && find . -type f) | sed 's|^\./||' | sort >"$work/found"
sort "$work/expected" >"$work/wanted"
cmp -s "$work/wanted" "$work/found" || refuse "the bundle has other files than SHA256SUMS lists"
cmp -s "$work/SHA256SUMS" "$files/SHA256SUMS" || refuse "SHA256SUMS was replaced meanwhile"
(cd "$files" && sha256sum -c SHA256SUMS) >"$work/checked" 2>&1 || { cat "$work/checked" >&2; refuse "a file was altered"; }

echo "content id sha256:$id, $(($(wc -l <"$work/SHA256SUMS"))) files"
echo "statement $payload"
