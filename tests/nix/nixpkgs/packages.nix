# The packages and builders that the flake uses. Builders run the host's bash and coreutils; the compiler is replaced
# by a file `relay-bundle` that tests/nix/run puts beside this one.
{ lib, system }:
let
  # What every derivation of nixpkgs starts from, less the compiler.
  mkDerivation =
    {
      buildCommand,
      nativeBuildInputs ? [ ],
      meta ? { },
      ...
    }@attributes:
    derivation (
      builtins.removeAttrs attributes [ "meta" ]
      // {
        inherit system;
        builder = "/bin/bash";
        # The last word must be the shell's. Bash would become the last program, and those of coreutils close their
        # output a moment before they end; Nix kills a builder whose output is closed, and calls the build failed.
        args = [
          "-euo"
          "pipefail"
          "-c"
          (buildCommand + "\nexit")
        ];
        PATH = builtins.concatStringsSep ":" (
          map (input: "${input}/bin") nativeBuildInputs
          ++ [
            "/usr/bin"
            "/bin"
          ]
        );
      }
    )
    // {
      inherit meta;
    };

  runCommand =
    name: attributes: buildCommand:
    mkDerivation (attributes // { inherit name buildCommand; });

  # Vendoring as nixpkgs does it: it knows one registry, and refuses a crate without a checksum.
  vendored =
    lockFile:
    let
      crates = builtins.filter (crate: crate ? source) (builtins.fromTOML (builtins.readFile lockFile)).package;
      refused = builtins.filter (
        crate: crate.source != "registry+https://github.com/rust-lang/crates.io-index" || !crate ? checksum
      ) crates;
    in
    if refused == [ ] then
      lockFile
    else
      throw "Cargo.lock: nixpkgs cannot vendor ${toString (map (crate: crate.name) refused)}";

  # Closed, unlike the real one: an argument that is not known to exist there is a mistake.
  buildRustPackage =
    {
      pname,
      version,
      src,
      cargoLock,
      buildType,
      doCheck,
      nativeCheckInputs,
      meta,
    }:
    mkDerivation {
      name = "${pname}-${version}";
      nativeBuildInputs = if doCheck then nativeCheckInputs else [ ];
      lockFile = vendored cargoLock.lockFile;
      binary = ./relay-bundle;
      buildCommand = ''
        cmp "$src/Cargo.lock" "$lockFile"
        [ -f "$src/src/main.rs" ]
        install -D --mode=0755 "$binary" "$out/bin/${meta.mainProgram}"
      '';
      inherit
        buildType
        meta
        pname
        src
        version
        ;
    };

  mkShell =
    { packages }:
    mkDerivation {
      name = "nix-shell";
      nativeBuildInputs = packages;
      buildCommand = "export >\"$out\"";
    };

  tool = name: runCommand name { } "mkdir \"$out\"";

  packages = {
    inherit lib mkShell runCommand;
    rustPlatform = {
      inherit buildRustPackage;
    };
    callPackage =
      file: overrides:
      let
        function = import file;
      in
      function (builtins.intersectAttrs (builtins.functionArgs function) packages // overrides);

    # What no build may be: one that cannot give the same output twice.
    irreproducible = runCommand "irreproducible" { } "cat /proc/sys/kernel/random/uuid >\"$out\"";
  }
  // lib.genAttrs [
    "cargo"
    "cargo-deny"
    "clippy"
    "kubectl"
    "kubernetes-helm"
    "nodejs"
    "python3"
    "redis"
    "rust-analyzer"
    "rustc"
    "rustfmt"
  ] tool;
in
packages
