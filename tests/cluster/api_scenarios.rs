//! The scenarios of the fake server in `tests/engine`, on a real control plane.

use crate::api_table::{Server, api_tests, client};
use crate::control_plane::control_plane;

fn run(name: &str, scenario: fn(&Server)) {
    let Some(plane) = control_plane() else { return };
    scenario(&Server::new(client(plane.kubeconfig.to_str().unwrap()), name));
}

api_tests!(run);
