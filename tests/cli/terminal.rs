//! A terminal with a user who types.

use std::path::PathBuf;
use std::process::Command;

use crate::env::{Ran, TestEnv};
use crate::tools;

/// Runs a command on a terminal, and types a line at each prompt, as soon as the terminal no longer
/// echoes the input.
const SCRIPT: &str = r"
import os, pty, sys, termios, time
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
    while b': ' not in seen[start:] and read():
        pass
    deadline = time.monotonic() + 60
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        if time.monotonic() > deadline:
            sys.exit('nothing was asked')
        time.sleep(0.002)
    os.write(terminal, answer.encode() + b'\n')
while read():
    pass
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

pub(crate) struct Terminal {
    python: PathBuf,
}

impl Terminal {
    pub(crate) fn find() -> Option<Self> {
        tools::find("python3", "python3").map(|python| Self { python })
    }

    /// Runs a command, and returns the screen as its stdout.
    pub(crate) fn run(&self, env: &TestEnv, answers: &[&str], arguments: &str) -> Ran {
        let mut command = Command::new(&self.python);
        command.args(["-c", SCRIPT]).args(answers).args(["--", env!("CARGO_BIN_EXE_relay-bundle")]);
        command.args(arguments.split(' ')).current_dir(env.path());
        command.env_clear().envs([("HOME", env.path().as_str()), ("TERM", "xterm")]);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
