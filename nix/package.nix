# The binary, from Cargo.lock: each crate is fetched by the checksum that stands there, so no hash needs care here.
#
# `withTests` makes the derivation that runs `cargo test` instead. They are two, so that whoever wants a bundle need
# not wait for the tests, and the tests need not be built with the release profile's link-time optimisation.
{
  lib,
  rustPlatform,
  nodejs,
  python3,
  redis,
  withTests ? false,
}:
let
  manifest = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package;

  # Nothing in these enters the binary or is read by its tests: editing them must not compile it again.
  root = toString ../.;
  ignored = map (path: "${root}/${path}") [
    ".ci"
    ".git"
    "flake.lock"
    "flake.nix"
    "nix"
    "target"
    "tests/nix"
  ];
in
rustPlatform.buildRustPackage {
  pname = manifest.name + lib.optionalString withTests "-tests";
  inherit (manifest) version;

  src = builtins.path {
    name = "${manifest.name}-source";
    path = ../.;
    filter = path: _type: !builtins.elem path ignored;
  };
  cargoLock.lockFile = ../Cargo.lock;

  buildType = if withTests then "debug" else "release";
  doCheck = withTests;
  # Tests that drive one of these skip themselves where it is missing.
  nativeCheckInputs = [
    nodejs
    python3
    redis
  ];

  meta = {
    inherit (manifest) description;
    license = lib.licenses.mit;
    mainProgram = manifest.name;
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
