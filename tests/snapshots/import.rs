//! `import helm`.

use crate::scene;
use crate::transcript::{Transcript, snapshot};

const VALUES: &str = "\
USER-SUPPLIED VALUES:
config:
  adminUsername: admin
  encryptionKey: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=
  logLevel: debug
replicaCount: 2
ingress:
  className: nginx
  enabled: true
  hosts:
  - host: relay.example.com
    paths:
    - path: /
      pathType: Prefix
podAnnotations:
  prometheus.io/scrape: \"true\"
noSuchKey: 1
";

#[test]
fn imported_values_are_as_saved() {
    let home = scene::profiles();
    home.write("values.yaml", VALUES);
    home.write("small.yaml", "replicaCount: 1\n");
    let lines = [
        "import helm small.yaml",
        "import helm small.yaml --json",
        "import helm values.yaml",
        "import helm values.yaml --release prod --namespace relay --kubernetes 1.30",
    ];
    snapshot("import", &home, &lines);
}

#[test]
fn mistakes_with_import_are_as_saved() {
    let home = scene::profiles();
    home.write("small.yaml", "replicaCount: 1\n");
    home.write("empty.yaml", "");
    home.write("null.yaml", "null\n");
    home.write("list.yaml", "- 1\n");
    home.write("broken.yaml", "a: [\n");
    home.write("typed.yaml", "replicaCount: many\n");
    let mut seen = Transcript::new(&home);
    for line in [
        "import helm",
        "import helm nosuch.yaml",
        "import helm empty.yaml",
        "import helm null.yaml",
        "import helm list.yaml",
        "import helm broken.yaml",
        "import helm typed.yaml",
        "import helm profiles",
        "import helm small.yaml --kubernetes new",
        "import helm small.yaml --release Prod",
        "import kustomize small.yaml",
    ] {
        seen.run(line);
    }
    seen.snapshot("import_mistakes");
}
