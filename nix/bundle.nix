# One profile as a bundle:
#
#     result/production.tar     what `relay-bundle build production --archive` writes, ready for the medium
#     result/content-id         its content id: `sha256:` and 64 hex digits
#
# The archive, not the folder: Nix makes every file of an output read-only, while the files of a bundle's folder are
# 0644 and are refused otherwise. Inside the archive they stay as they are.
{
  runCommand,
  relay-bundle,
  profile,
}:
runCommand "bundle-${profile}"
  {
    nativeBuildInputs = [ relay-bundle ];
    # Only the profiles: the rest of the repository can change without another build of the same bundle.
    profiles = builtins.path {
      name = "profiles";
      path = ../profiles;
    };
    # A bundle goes where there is no Nix store: Nix fails the build if a store path gets into it.
    allowedReferences = [ ];
    inherit profile;
  }
  ''
    mkdir "$out"
    entry=$(relay-bundle build "$profile" --profiles "$profiles" --store "$TMPDIR/store" --archive "$out/$profile.tar")
    printf 'sha256:%s\n' "$(sha256sum <"$entry/SHA256SUMS" | cut -d ' ' -f 1)" >"$out/content-id"
  ''
