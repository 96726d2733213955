# The compiler and every tool that a test or the benchmark can use.
{
  mkShell,
  cargo,
  cargo-deny,
  clippy,
  kubectl,
  kubernetes-helm,
  nodejs,
  python3,
  redis,
  rust-analyzer,
  rustc,
  rustfmt,
}:
mkShell {
  packages = [
    cargo
    cargo-deny
    clippy
    kubectl
    kubernetes-helm
    nodejs
    python3
    redis
    rust-analyzer
    rustc
    rustfmt
  ];
}
