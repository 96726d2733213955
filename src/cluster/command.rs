//! Runs the command of a credential plugin.
//!
//! kubectl waits for such a command without a limit: a person at the terminal sees it and stops it. This program also runs
//! unattended, and while it waits it holds the lock of an installation. So a command that cannot ask a person has a deadline,
//! and every command has a limit to what it prints.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use crate::fsio::ReadFileError;
use crate::fsio::guard::{GuardError, read_secret};

/// How long a command may take that cannot ask a person: a login over a slow network takes some seconds.
pub(super) const DEADLINE: Duration = Duration::from_mins(1);
/// How much a command may print: a token or a certificate with its key has some thousand bytes.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
/// How often a command that has closed its output is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// Whether a command can ask a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interaction {
    /// The command has our terminal, and takes as long as the person does.
    Terminal,
    /// It has no input, and is killed with everything that it started when this time is over.
    Unattended(Duration),
}

/// Why there is no output of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandError {
    Start(String),
    Timeout(Duration),
    TooLarge,
    Failed(ExitStatus),
    /// Its output or its end could not be read.
    Lost(String),
}

/// Runs a command to its end and returns its output.
pub(super) fn run(
    mut command: Command,
    interaction: Interaction,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    command.stdout(Stdio::piped());
    let deadline = match interaction {
        Interaction::Terminal => {
            command.stdin(Stdio::inherit());
            None
        }
        Interaction::Unattended(limit) => {
            // A group of its own is killed as a whole: a shell script leaves no child behind.
            command.stdin(Stdio::null()).process_group(0);
            Some(Deadline { limit, until: Instant::now() + limit })
        }
    };
    let child = command.spawn().map_err(|error| CommandError::Start(words(&error)))?;
    let mut running = Running { child, deadline };
    let output = running.output().and_then(|output| running.end().map(|()| output));
    match output {
        Ok(_) | Err(CommandError::Failed(_)) => {}
        Err(_) => running.kill(),
    }
    output
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such program".to_owned(),
        _ => error.to_string(),
    }
}

struct Deadline {
    limit: Duration,
    until: Instant,
}

/// A command that has not been waited for.
struct Running {
    child: Child,
    deadline: Option<Deadline>,
}

impl Running {
    /// Returns everything that the command prints.
    fn output(&mut self) -> Result<Zeroizing<Vec<u8>>, CommandError> {
        let stdout = self.child.stdout.take().expect("stdout is piped");
        let (sender, receiver) = mpsc::channel();
        // A read of a pipe has no deadline; this thread ends with the command, or with the process.
        thread::spawn(move || {
            let bytes = read_secret(Utf8Path::new("stdout"), stdout, OUTPUT_BYTES_MAX);
            sender.send(bytes.map_err(|error| match error {
                GuardError::Read(ReadFileError::Io(error)) => CommandError::Lost(error.to_string()),
                _ => CommandError::TooLarge,
            }))
        });
        let gone = || CommandError::Lost("the reader of its output has stopped".to_owned());
        match &self.deadline {
            None => receiver.recv().map_err(|_| gone())?,
            Some(Deadline { limit, until }) => {
                let left = until.saturating_duration_since(Instant::now());
                receiver.recv_timeout(left).map_err(|error| match error {
                    RecvTimeoutError::Timeout => CommandError::Timeout(*limit),
                    RecvTimeoutError::Disconnected => gone(),
                })?
            }
        }
    }

    /// Waits for the end of a command that has closed its output.
    fn end(&mut self) -> Result<(), CommandError> {
        let lost = |error: std::io::Error| CommandError::Lost(error.to_string());
        let status = match &self.deadline {
            None => self.child.wait().map_err(lost)?,
            Some(Deadline { limit, until }) => loop {
                if let Some(status) = self.child.try_wait().map_err(lost)? {
                    break status;
                }
                if *until <= Instant::now() {
                    return Err(CommandError::Timeout(*limit));
                }
                thread::sleep(POLL);
            },
        };
        if status.success() { Ok(()) } else { Err(CommandError::Failed(status)) }
    }

    /// Kills the command, and with it everything that it started if it has a group of its own.
    fn kill(&mut self) {
        // It was not waited for, so its process id is not reused, even if it has ended.
        if self.deadline.is_some() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(script: &str, limit: Duration) -> (Result<Zeroizing<Vec<u8>>, CommandError>, Duration) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let start = Instant::now();
        (run(command, Interaction::Unattended(limit)), start.elapsed())
    }

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn output_of_command_is_returned_when_it_has_ended() {
        let (output, _) = ran("echo a; exec >&-; sleep 0.1", LONG);
        assert_eq!(output.unwrap().as_slice(), b"a\n");
    }

    #[test]
    fn command_that_waits_for_input_gets_none() {
        let (output, _) = ran("read line || echo end", LONG);
        assert_eq!(output.unwrap().as_slice(), b"end\n");
    }

    #[test]
    fn command_beyond_its_deadline_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        // A child that would go on, one that closes its output, and one that its parent does not wait for.
        for script in
            ["(sleep 2; echo > MARK) ; true", "exec >&-; sleep 2; echo > MARK", "(sleep 2; echo > MARK) &"]
        {
            let (output, took) = ran(&script.replace("MARK", mark.to_str().unwrap()), SHORT);
            assert_eq!(output.err(), Some(CommandError::Timeout(SHORT)), "{script}");
            assert!(took < Duration::from_secs(2), "{script}: {took:?}");
        }
        thread::sleep(Duration::from_millis(2500));
        assert!(!mark.exists());
    }

    #[test]
    fn command_that_prints_without_end_is_killed() {
        let (output, took) = ran("exec yes", LONG);
        assert_eq!(output.err(), Some(CommandError::TooLarge));
        assert!(took < LONG, "{took:?}");
    }

    #[test]
    fn command_that_fails_or_is_not_there_is_told() {
        assert!(
            matches!(ran("exit 3", LONG).0, Err(CommandError::Failed(status)) if status.code() == Some(3))
        );
        let none = run(Command::new("/no/such/program"), Interaction::Unattended(LONG));
        assert_eq!(none.err(), Some(CommandError::Start("there is no such program".to_owned())));
    }
}
