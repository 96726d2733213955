# The functions of nixpkgs' library that the flake uses, with the same meaning.
rec {
  genAttrs = names: valueOf: builtins.listToAttrs (map (name: { inherit name; value = valueOf name; }) names);
  hasSuffix = suffix: text: removeSuffix suffix text != text || suffix == "";
  optionalString = condition: text: if condition then text else "";
  remove = unwanted: builtins.filter (element: element != unwanted);
  removeSuffix =
    suffix: text:
    let
      kept = builtins.stringLength text - builtins.stringLength suffix;
    in
    if kept >= 0 && builtins.substring kept (-1) text == suffix then builtins.substring 0 kept text else text;
  subtractLists = unwanted: builtins.filter (element: !builtins.elem element unwanted);

  licenses.mit.spdxId = "MIT";
  platforms = {
    darwin = [ "aarch64-darwin" ];
    linux = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };
}
