//! Runs commands at a terminal and answers their questions.

use std::process::Command;

use crate::site::{Ran, Site};
use crate::tools;

/// Runs a command on a terminal, answers its questions, and prints the screen. A question ends
/// without a line break: with its choices or a colon.
const SCRIPT: &str = r"
import os, pty, sys
separator = sys.argv.index('--')
answers, command = sys.argv[1:separator], sys.argv[separator + 1:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
seen = b''
def read():
    global seen
    try:
        part = os.read(terminal, 4096)
    except OSError:
        part = b''
    seen += part
    return part
for answer in answers:
    start = len(seen)
    while not seen[start:].endswith((b'[y/N] ', b'): ')) and read():
        pass
    os.write(terminal, answer.encode() + b'\n')
while read():
    pass
sys.stdout.buffer.write(seen.replace(b'\r\n', b'\n'))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// Runs a command line on a terminal without colours, answers its questions, and returns the screen
/// as stdout; returns `None` without Python.
pub(super) fn answered(site: &Site, line: &str, answers: &[&str]) -> Option<Ran> {
    let mut command = Command::new(tools::find("python3", "python3")?);
    command.args(["-c", SCRIPT]).args(answers).args(["--", env!("CARGO_BIN_EXE_relay-bundle")]);
    command.args(line.split_whitespace()).current_dir(site.path()).env_clear();
    command.env("HOME", site.path()).env("KUBECONFIG", &site.plane.kubeconfig);
    Some(Ran::of(command.env("NO_COLOR", "1").output().unwrap()))
}
