{
  description = "As much of nixpkgs as flake.nix of relay-bundle uses, built on the programs of the host";

  outputs = _: rec {
    lib = import ./lib.nix;
    legacyPackages = lib.genAttrs [
      "x86_64-linux"
      "aarch64-linux"
      "aarch64-darwin"
    ] (system: import ./packages.nix { inherit lib system; });
  };
}
