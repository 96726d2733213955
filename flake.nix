# nix build .#bundle-production     one bundle; likewise bundle-NAME for every profiles/NAME.toml
# nix run . -- build production     the command itself
# nix develop                       a shell with everything that the tests can use
# nix flake check                   the tests, and every bundle against bundles/digests.toml
#
# The first of these on a connected machine writes flake.lock, which pins nixpkgs by revision and hash: commit it, and
# renew it with `nix flake update`. What is inside a bundle depends neither on that revision nor on the compiler:
# `nix flake check` compares each content id with the one that builds without Nix must have.
{
  description = "Reproducible, content-addressed Kubernetes bundles of Claude Relay Service for air-gapped clusters";

  # The unstable channel, because Cargo.toml asks for a recent Rust.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { nixpkgs, ... }:
    let
      inherit (nixpkgs) lib;

      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      forEachSystem = outputsOf: lib.genAttrs systems (system: outputsOf nixpkgs.legacyPackages.${system});

      # `base` is what the others extend; it is not a deployment.
      profiles = lib.remove "base" (
        map (lib.removeSuffix ".toml") (
          builtins.filter (lib.hasSuffix ".toml") (builtins.attrNames (builtins.readDir ./profiles))
        )
      );
      forEachProfile =
        derivationOf:
        builtins.listToAttrs (
          map (profile: {
            name = "bundle-${profile}";
            value = derivationOf profile;
          }) profiles
        );

      relayBundle = pkgs: pkgs.callPackage ./nix/package.nix { };
      bundle =
        pkgs: profile:
        pkgs.callPackage ./nix/bundle.nix {
          inherit profile;
          relay-bundle = relayBundle pkgs;
        };
    in
    {
      packages = forEachSystem (
        pkgs: forEachProfile (bundle pkgs) // { default = relayBundle pkgs; }
      );

      checks = forEachSystem (
        pkgs:
        forEachProfile (
          profile:
          pkgs.callPackage ./nix/check.nix {
            inherit profile profiles;
            relay-bundle = relayBundle pkgs;
            bundle = bundle pkgs profile;
          }
        )
        // {
          tests = pkgs.callPackage ./nix/package.nix { withTests = true; };
        }
      );

      devShells = forEachSystem (pkgs: { default = pkgs.callPackage ./nix/shell.nix { }; });
    };
}
