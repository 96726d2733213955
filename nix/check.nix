# Checks one bundle: stock tools agree with its content id, which is the one of bundles/digests.toml if the profile is
# listed there, and rendering the profile again gives the same bytes.
{
  lib,
  runCommand,
  relay-bundle,
  bundle,
  profile,
  profiles,
}:
let
  file = ../bundles/digests.toml;
  digests = if builtins.pathExists file then builtins.fromTOML (builtins.readFile file) else { };
  # A name that is misspelt here would be a comparison that never takes place.
  strays = lib.subtractLists profiles (builtins.attrNames digests);
in
if strays != [ ] then
  throw "bundles/digests.toml names what is not a profile: ${toString strays}"
else
  runCommand "check-bundle-${profile}"
    {
      nativeBuildInputs = [ relay-bundle ];
      inherit bundle profile;
      inherit (bundle) profiles;
      pinned = digests.${profile} or "";
    }
    ''
      id=$(cat "$bundle/content-id")
      fail() {
        echo "bundle $profile, $id: $1" >&2
        exit 1
      }

      mkdir unpacked
      tar --extract --file "$bundle/$profile.tar" --directory unpacked
      (cd unpacked && sha256sum --check --strict --quiet SHA256SUMS) || fail "a file is not what SHA256SUMS says"
      found=sha256:$(sha256sum <unpacked/SHA256SUMS | cut -d ' ' -f 1)
      [ "$found" = "$id" ] || fail "the archive holds $found"
      [ -z "$pinned" ] || [ "$pinned" = "$id" ] || fail "bundles/digests.toml has $pinned"

      render() {
        relay-bundle build "$profile" --profiles "$profiles" --store "$TMPDIR/store" "$@"
      }
      render --archive again.tar
      cmp "$bundle/$profile.tar" again.tar || fail "another build gave another archive"
      render --check || fail "build --check found a difference"

      touch "$out"
    ''
