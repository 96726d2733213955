#!/bin/sh
# Checks a signed bundle without relay-bundle. Needs a POSIX shell, openssl 3, and sha256sum, base64, tar, dd, head, sed,
# find as GNU and busybox have them.
#
#     sh verify.sh BUNDLE PUBLIC.pem [PUBLIC.pem ...]
#
# BUNDLE is a folder or an archive. Every key that is named must have signed it; take the keys from a place that you
# trust, never from where the bundle came from. Nothing of an archive is unpacked before its signatures are good, and then
# no more than the bytes that were signed. Images in an archive are hashed where they lie, and never unpacked.
#
# Exit status: 0 the signatures and every file are good, 3 they are not, 2 the command is wrong.
#
# It does not check, and `relay-bundle verify` does: who may sign what, how many must, expiry, replay of an older release,
# the site, that the manifests agree with bundle.json and images.json, and the rules of images.json about limits, names and
# media types. So read the statement that it prints.
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
# No option, and nothing to look for in $CDPATH.
case $bundle in
/*) ;;
*) bundle=./$bundle ;;
esac

# The limits of the format.
attestation_bytes_max=65536
sums_bytes_max=4194304
images_bytes_max=1048576
carried_max=2066 # 64 manifests, 2,000 configs and layers, and two files that name them

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

# --- the two files that come first ---

# Reads a file of the bundle, and refuses more bytes than it may have.
first() {
  if [ -d "$bundle" ]; then
    [ -f "$bundle/$1" ] && [ ! -h "$bundle/$1" ] || refuse "$1 is missing"
    head -c $(($2 + 1)) <"$bundle/$1" >"$work/$1"
  else
    # To standard output: nothing in the archive chooses where it is written. From standard input: to tar, a name with a
    # colon is another host's. Images may follow, so tar does not read to the end.
    head -c $((attestation_bytes_max + sums_bytes_max + 4096)) <"$bundle" |
      tar -xOf - "$1" 2>/dev/null | head -c $(($2 + 1)) >"$work/$1"
  fi
  [ -s "$work/$1" ] || refuse "$1 is missing"
  [ $(($(wc -c <"$work/$1"))) -le "$2" ] || refuse "$1 has more than $2 bytes"
}

# Before tar, which would decompress: a megabyte can be a thousand. No compressed file begins with a name.
if [ -f "$bundle" ] && [ "$(head -c 21 <"$bundle" | tr -d '\000')" != attestation.dsse.json ]; then
  refuse "this is no signed archive of a bundle; decompress one that is compressed"
fi
first attestation.dsse.json $attestation_bytes_max
first SHA256SUMS $sums_bytes_max

# --- the envelope: {"payload":BASE64,"payloadType":TYPE,"signatures":[{"keyid":HEX,"sig":BASE64},...]} ---

type=application/vnd.in-toto+json
signature='{"keyid":"[0-9a-f]*","sig":"[A-Za-z0-9+/=]*"}'
sed -n 's|^{"payload":"\([A-Za-z0-9+/=]*\)","payloadType":"'$type'","signatures":\['"$signature"'\(,'"$signature"'\)*\]}$|\1|p' \
  "$work/attestation.dsse.json" >"$work/payload.b64"
[ -s "$work/payload.b64" ] || refuse "attestation.dsse.json is no envelope of a bundle"
base64 -d <"$work/payload.b64" >"$work/payload" || refuse "the payload is no base64"
# It is shown below: nothing in it may act on a terminal, and no escape may hide what it says.
[ $(($(tr -d '\040-\133\135-\176' <"$work/payload" | wc -c))) -eq 0 ] || refuse "the statement has characters that no statement has"

# --- what is signed: the pre-authentication encoding of DSSE v1 ---

bytes=$(wc -c <"$work/payload")
{
  printf 'DSSEv1 %d %s %d ' ${#type} "$type" $((bytes))
  cat "$work/payload"
} >"$work/signed"

for public in "$@"; do
  openssl pkey -pubin -outform DER -out "$work/key.der" <"$public" 2>/dev/null ||
    { echo "$public is no public key" >&2; exit 2; }
  keyid=$(sha256sum <"$work/key.der" | cut -c1-64)
  sed -n 's|.*{"keyid":"'"$keyid"'","sig":"\([A-Za-z0-9+/=]*\)"}.*|\1|p' "$work/attestation.dsse.json" >"$work/sig.b64"
  [ -s "$work/sig.b64" ] || refuse "$public ($keyid) has not signed it"
  base64 -d <"$work/sig.b64" >"$work/sig" || refuse "the signature of $keyid is no base64"
  openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey "$work/key.der" -in "$work/signed" -sigfile "$work/sig" >/dev/null 2>&1 ||
    refuse "the signature of $public ($keyid) is wrong"
  echo "signed by $public, keyid $keyid" >>"$work/signers"
done

# --- the statement is about this SHA256SUMS ---

id=$(sha256sum <"$work/SHA256SUMS" | cut -c1-64)
payload=$(cat "$work/payload")
case $payload in
'{"_type":"https://in-toto.io/Statement/v1","predicate":{'*'},"predicateType":"urn:relay-bundle:bundle:v1","subject":[{"digest":{"sha256":"'"$id"'"},"name":"SHA256SUMS"}]}') ;;
*) refuse "the statement is about another bundle: the content id of this one is sha256:$id" ;;
esac

# How many files and bytes were signed; a number of a statement has at most 16 digits.
number() {
  sed -n 's/.*[{,]"'"$1"'":\([0-9]\{1,16\}\),.*/\1/p' "$work/payload.line"
}
printf '%s\n' "$payload" >"$work/payload.line"
files_signed=$(number files)
bytes_signed=$(number bytes)
[ -n "$files_signed" ] && [ -n "$bytes_signed" ] || refuse "the statement does not say how large the bundle is"

# --- SHA256SUMS lists what may be there, and nothing else is ---

if sed -n '/^[0-9a-f]\{64\}  [a-z0-9][a-z0-9._-]*\(\/[a-z0-9][a-z0-9._-]*\)*$/!p' "$work/SHA256SUMS" | grep -q .; then
  refuse "SHA256SUMS has a line that is none of a bundle"
fi
[ $(($(wc -l <"$work/SHA256SUMS"))) -eq "$files_signed" ] || refuse "SHA256SUMS lists another number of files"
{
  echo attestation.dsse.json
  echo SHA256SUMS
  cut -c67- "$work/SHA256SUMS"
} >"$work/expected"

# Adds up the sizes of a verbose list of tar; a size of more than 13 digits is no size of a file.
sum_sizes() {
  total=0
  while read -r mode owner size rest; do
    case $size in
    '' | *[!0-9]* | ??????????????*) return 1 ;;
    esac
    total=$((total + size))
  done
  echo $total
}

# Shows a block of the archive by its number, with `!` for each zero byte.
block() {
  dd if="$bundle" bs=512 skip="$1" count=1 2>/dev/null | tr '\000!' '!?'
}

# The archive of given files is one sequence of bytes: a header for each, its content, zeros up to the next block, and two
# blocks of zeros. So nothing else can be in it: no other owner or time, no extension header, nothing behind the end.
# Prints of each file the block where its content begins, its size and its name.
check_layout() {
  at=0
  while read -r name <&3 && read -r mode owner size rest <&4; do
    start=$(printf '%-100s0000644!0000000!0000000!%011o!00000000000!' "$name" "$size" | tr ' ' '!')
    end=$(printf '0%-100sustar!00%-64s0000000!0000000!%-167s' '' '' '' | tr ' ' '!')
    case $(block $at) in
    "$start"[0-7][0-7][0-7][0-7][0-7][0-7]'! '"$end") ;;
    *) return 1 ;;
    esac
    echo $((at + 1)) "$size" "$name"
    at=$((at + 1 + (size + 511) / 512))
    [ $((size % 512)) -eq 0 ] || case $(block $((at - 1)) | tail -c $((512 - size % 512))) in
    *[!!]*) return 1 ;;
    esac
  done 3<"$work/names" 4<"$work/described"
  case $(block $at)$(block $((at + 1))) in
  *[!!]*) return 1 ;;
  esac
  [ $(($(wc -c <"$bundle"))) -eq $(((at + 2) * 512)) ]
}

: >"$work/carried"
if [ -d "$bundle" ]; then
  files=$bundle
else
  first_carried=$((files_signed + 3))
  lines=$((files_signed + 2 + carried_max + 1))
  tar -tf - <"$bundle" 2>/dev/null | head -n $lines >"$work/names"
  sed -n "$first_carried,\$p" "$work/names" >"$work/carried_names"
  head -n $((first_carried - 1)) "$work/names" | cmp -s "$work/expected" - &&
    { [ ! -s "$work/carried_names" ] || grep -q '^.\{66\}images\.json$' "$work/SHA256SUMS"; } ||
    refuse "the archive holds other files than SHA256SUMS lists"
  sed -n -e '1{/^oci-layout$/!p;}' -e '2{/^index\.json$/!p;}' -e '3,${/^blobs\/sha256\/[0-9a-f]\{64\}$/!p;}' \
    "$work/carried_names" >"$work/odd"
  [ ! -s "$work/odd" ] || refuse "the archive holds a file that belongs to no image"
  tar -tvf - <"$bundle" 2>/dev/null | head -n $lines >"$work/described"
  grep -v '^-rw-r--r-- ' "$work/described" >"$work/odd" || true
  [ ! -s "$work/odd" ] || refuse "the archive has something that is no plain file"
  # Holes take no room in an archive, and every byte of a disk.
  bytes=$(($(cat "$work/attestation.dsse.json" "$work/SHA256SUMS" | wc -c) + bytes_signed))
  head -n $((first_carried - 1)) "$work/described" >"$work/signed_files"
  found=$(sum_sizes <"$work/signed_files") && [ "$found" -eq "$bytes" ] ||
    refuse "the files in the archive do not have the size that was signed"
  sum_sizes <"$work/described" >/dev/null && check_layout >"$work/placed" ||
    refuse "the archive has a header or bytes that the archive of a bundle does not have"
  sed -n "$first_carried,\$p" "$work/placed" >"$work/carried"
  read -r place size name <"$work/carried" || place=$((at + 1))
  mkdir "$work/files"
  # Up to the images. In case the archive is exchanged now: no file larger than all of them together.
  { head -c $(((place - 1) * 512)) <"$bundle"; head -c 1024 /dev/zero; } |
    (ulimit -f $((bytes / 512 + 1)) && tar -xf - -C "$work/files") || refuse "the archive is damaged"
  files=$work/files
fi
(cd "$files" && find . ! -type d ! -type f) >"$work/odd"
[ ! -s "$work/odd" ] || refuse "the bundle has something that is no regular file"
(cd "$files" && find . -type f) | sed 's|^\./||' | sort >"$work/found"
sort "$work/expected" >"$work/wanted"
cmp -s "$work/wanted" "$work/found" || refuse "the bundle has other files than SHA256SUMS lists"
cmp -s "$work/SHA256SUMS" "$files/SHA256SUMS" || refuse "SHA256SUMS was replaced meanwhile"
(cd "$files" && sha256sum -c SHA256SUMS) >"$work/checked" 2>&1 || { grep -v ': OK$' "$work/checked" >&2; refuse "a file was altered"; }

# --- images.json lists what an archive may carry: written again and compared, so it has one reading ---

# Puts braces around each line, and commas between them.
members() {
  sed -e 's/.*/{&}/' -e '$!s/$/,/' "$1" | tr -d '\n'
}
# Tells whether lines rise, each from the one before.
rises() {
  sort -u "$1" | cmp -s - "$1"
}

read_images() {
  [ $(($(wc -c <"$files/images.json"))) -le $images_bytes_max ] || refuse "images.json has more than $images_bytes_max bytes"
  digest='"digest":"sha256:[0-9a-f]\{64\}"'
  tr '{' '\n' <"$files/images.json" | sed 's/}.*//' >"$work/objects"
  grep "^$digest"',"size":[1-9][0-9]\{0,9\}$' "$work/objects" >"$work/blobs" || true
  grep '^"blobs":\[[^]]*\],'"$digest"',"reference":"[A-Za-z0-9._:/-]*@sha256:[0-9a-f]\{64\}"$' "$work/objects" >"$work/images" || true
  grep "^$digest"',"mediaType":"application/[a-z0-9.+-]*","size":[1-9][0-9]\{0,6\}$' "$work/objects" >"$work/manifests" || true
  {
    printf '{"blobs":[' && members "$work/blobs"
    printf '],"format":1,"images":[' && members "$work/images"
    printf '],"manifests":[' && members "$work/manifests"
    printf ']}'
  } | cmp -s - "$files/images.json" || refuse "images.json has another form"

  # Lines of a digest and a size.
  for list in blobs manifests; do
    rises "$work/$list" || refuse "images.json is not in order"
    sed 's/^"digest":"sha256:\(.\{64\}\)".*"size":\(.*\)$/\1 \2/' "$work/$list" >"$work/$list.sizes"
  done
  sort "$work/blobs.sizes" "$work/manifests.sizes" >"$work/listed"
  cut -c1-64 "$work/listed" >"$work/listed.digests"
  rises "$work/listed.digests" || refuse "images.json lists a digest twice"

  # Every image has its manifest and its blobs in the lists, and nothing else is there.
  sed 's/.*"reference":"\(.*\)"$/\1/' "$work/images" >"$work/references"
  rises "$work/references" || refuse "images.json is not in order"
  sed -e 's/^"blobs":\[[^]]*\],//' -e 's/^"digest":"sha256:\(.\{64\}\)","reference":".*@sha256:\1"$/\1/' "$work/images" |
    sort -u >"$work/used"
  cut -c18-81 "$work/manifests" | cmp -s "$work/used" - || refuse "images.json lists other manifests than its images have"
  sed 's/^"blobs":\[\([^]]*\)\].*/\1/' "$work/images" | tr ',' '\n' | sort -u >"$work/used"
  sed 's/^"digest":\(.\{73\}\).*/\1/' "$work/blobs" | cmp -s "$work/used" - || refuse "images.json lists other blobs than its images have"
}

# --- the images in the archive: what images.json lists and nothing else, in order; configs and layers may be absent ---

# Prints what follows from images.json: for each image two names and its manifest.
index() {
  # The name in full, then with the digest alone and with the tag alone.
  sed -n '
    /^localhost\//!{
      /^[^/]*[.:][^/]*\//!s|^|docker.io/|
    }
    s|^index\.docker\.io/|docker.io/|
    s|^docker\.io/\([^/]*\)$|docker.io/library/\1|
    h
    s|^\(.*/[^/:@]*\)\(:[^/:@]*\)\{0,1\}@sha256:\(.*\)$|\1@sha256:\3 \3|p
    g
    s|^\(.*/[^/:@]*:[^/:@]*\)@sha256:\(.*\)$|\1 \2|p
  ' "$work/references" | sort -u >"$work/named"
  cut -d ' ' -f 1 "$work/named" >"$work/names"
  rises "$work/names" || refuse "images.json has one name for two images"
  while read -r name digest; do
    manifest=$(grep "^\"digest\":\"sha256:$digest\"," "$work/manifests")
    printf '"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"},%s\n' \
      "$name" "$name" "$manifest"
  done <"$work/named" >"$work/described"
  printf '{"manifests":['
  members "$work/described"
  printf '],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}'
}

# Prints a file of the archive, by the block where it begins and its size. dd goes there, and head reads in large steps.
content() {
  { dd bs=512 skip="$1" count=0 2>/dev/null; head -c "$2"; } <"$bundle"
}

check_carried() {
  sed -n 's|^[0-9]* \([0-9]*\) blobs/sha256/\(.*\)$|\2 \1|p' "$work/carried" >"$work/there"
  sort -u "$work/there" "$work/listed" | cmp -s - "$work/listed" ||
    refuse "the archive has a blob that images.json does not list, or one of another size"
  rises "$work/there" || refuse "the blobs in the archive are not in order"
  sort -u "$work/there" "$work/manifests.sizes" | cmp -s - "$work/there" || refuse "the manifest of an image is missing"
  ! cmp -s "$work/there" "$work/manifests.sizes" || refuse "the archive has no config and no layer, and says that it carries images"

  printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
  index >"$work/index.json"
  while read -r place size name <&3; do
    case $name in
    oci-layout | index.json) content "$place" "$size" | cmp -s - "$work/$name" ;;
    *) [ "$(content "$place" "$size" | sha256sum | cut -c1-64)" = "${name#blobs/sha256/}" ] ;;
    esac || refuse "$name was altered"
  done 3<"$work/carried"
}

: >"$work/summary"
if [ -f "$files/images.json" ]; then
  read_images
  carried=0
  if [ -s "$work/carried" ]; then
    check_carried
    carried=$(($(wc -l <"$work/there") - $(wc -l <"$work/manifests")))
  fi
  echo "images $carried of $(($(wc -l <"$work/blobs"))) configs and layers carried" >"$work/summary"
fi

cat "$work/signers"
echo "content id sha256:$id, $(($(wc -l <"$work/SHA256SUMS"))) files"
cat "$work/summary"
printf 'statement %s\n' "$payload"
