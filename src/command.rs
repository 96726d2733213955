//! Runs a command of the operator: a credential plugin or a credential helper.
//!
//! kubectl waits for such a command without a limit, since a user at the terminal can stop it. This
//! program also runs unattended, and may hold the lock of an installation while it waits. Therefore
//! a command that cannot prompt a user has a deadline, and every command has an output limit.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

/// The poll interval.
const TICK: Duration = Duration::from_millis(5);

/// Whether a command can prompt the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// The command uses our terminal and has no deadline.
    Terminal,
    /// The command is killed after this time, together with everything that it started.
    Unattended(Duration),
}

/// The condition under which a command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its output is closed, too: a child process that writes to it counts as part of the command.
    Output,
    /// Its process exits; a child that keeps the output open is left running.
    Process,
}

/// The limits of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLimits {
    pub interaction: Interaction,
    pub ending: Ending,
    /// The maximum size of its output.
    pub output_bytes_max: usize,
}

/// A command that exited on its own.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub output: Zeroizing<Vec<u8>>,
}

/// Why a command did not exit on its own.
#[derive(Debug)]
pub enum CommandError {
    Start(io::Error),
    Timeout(Duration),
    TooLarge,
    /// Reading its output or its exit status failed.
    Lost(io::Error),
}

/// Runs a command to its end and returns its status and output.
///
/// `input` must be short enough for a pipe buffer; without it, an unattended command gets empty
/// input.
///
/// # Errors
///
/// When it cannot be started, or is killed because of a limit. A failure status is not an error
/// here.
pub fn run(
    mut command: Command,
    input: Option<&str>,
    limits: CommandLimits,
) -> Result<Finished, CommandError> {
    let stdin = match (input, limits.interaction) {
        (Some(_), _) => Stdio::piped(),
        (None, Interaction::Terminal) => Stdio::inherit(),
        (None, Interaction::Unattended(_)) => Stdio::null(),
    };
    command.stdin(stdin).stdout(Stdio::piped());
    if limits.interaction != Interaction::Terminal {
        // Give it its own process group, to kill the children of a shell script as well.
        command.process_group(0);
    }
    let started = Instant::now();
    let child = command.spawn().map_err(CommandError::Start)?;
    let mut running = Running { child, limits, is_ended: false };
    if let Some((mut pipe, text)) = running.child.stdin.take().zip(input) {
        // A command may exit without reading its input.
        let _ = pipe.write_all(text.as_bytes());
    }
    running.finish(started)
}

/// A running command; killed if dropped before its end.
struct Running {
    child: Child,
    limits: CommandLimits,
    is_ended: bool,
}

impl Running {
    fn finish(&mut self, started: Instant) -> Result<Finished, CommandError> {
        let no_output = || CommandError::Lost(io::Error::other("it has no output"));
        let mut pipe = self.child.stdout.take().ok_or_else(no_output)?;
        // A silent command, or a child that keeps the pipe open, must not block this process.
        let flags = fcntl_getfl(&pipe).map_err(|error| CommandError::Lost(error.into()))?;
        fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)
            .map_err(|error| CommandError::Lost(error.into()))?;

        let mut printed = Printed::new(self.limits.output_bytes_max);
        loop {
            // Poll the status before the last read, so that all output of an exited command is in
            // the pipe. With `Ending::Output`, poll it only once the output is closed: until then
            // the process is not reaped, so its id is not reused while the group is killed.
            let is_due = printed.is_closed || self.limits.ending == Ending::Process;
            let status =
                if is_due { self.child.try_wait().map_err(CommandError::Lost)? } else { None };
            self.is_ended = status.is_some();
            printed.read(&mut pipe).map_err(CommandError::Lost)?;
            if printed.is_too_long() {
                return Err(CommandError::TooLarge);
            }
            if let Some(status) = status {
                return Ok(Finished { status, output: printed.into_bytes() });
            }
            match self.limits.interaction {
                Interaction::Unattended(limit) if started.elapsed() >= limit => {
                    return Err(CommandError::Timeout(limit));
                }
                Interaction::Unattended(_) | Interaction::Terminal => thread::sleep(TICK),
            }
        }
    }
}

/// Kills a running command, and with its own process group everything that it started.
impl Drop for Running {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        if self.limits.interaction != Interaction::Terminal {
            // It may exit on its own at this moment.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a command so far.
struct Printed {
    bytes: Zeroizing<Vec<u8>>,
    length: usize,
    is_closed: bool,
}

impl Printed {
    /// Allocates the full size: a vector that grows leaves copies of credentials behind.
    fn new(bytes_max: usize) -> Self {
        Self { bytes: Zeroizing::new(vec![0; bytes_max + 1]), length: 0, is_closed: false }
    }

    /// Reads all available bytes from the pipe.
    fn read(&mut self, pipe: &mut ChildStdout) -> io::Result<()> {
        while self.length < self.bytes.len() && !self.is_closed {
            match pipe.read(&mut self.bytes[self.length..]) {
                Ok(0) => self.is_closed = true,
                Ok(read) => self.length += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        self.length == self.bytes.len()
    }

    fn into_bytes(mut self) -> Zeroizing<Vec<u8>> {
        self.bytes.truncate(self.length);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(30);

    fn limits(limit: Duration, ending: Ending) -> CommandLimits {
        CommandLimits {
            interaction: Interaction::Unattended(limit),
            ending,
            output_bytes_max: 1 << 16,
        }
    }

    fn ran(script: &str, limits: CommandLimits) -> (Result<Finished, CommandError>, Duration) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let start = Instant::now();
        (run(command, None, limits), start.elapsed())
    }

    #[test]
    fn output_of_command_is_returned_when_it_has_ended() {
        for ending in [Ending::Output, Ending::Process] {
            let (finished, _) = ran("echo a; exec >&-; sleep 0.1", limits(LONG, ending));
            assert_eq!(finished.unwrap().output.as_slice(), b"a\n");
        }
    }

    #[test]
    fn command_that_waits_for_input_gets_none() {
        let (finished, _) = ran("read line || echo end", limits(LONG, Ending::Output));
        assert_eq!(finished.unwrap().output.as_slice(), b"end\n");
    }

    #[test]
    fn command_is_given_its_input() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read line; echo \"got $line\""]);
        let finished = run(command, Some("text\n"), limits(LONG, Ending::Process)).unwrap();
        assert_eq!(finished.output.as_slice(), b"got text\n");
    }

    #[test]
    fn command_beyond_its_deadline_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        // One child that keeps running, one command that closes its output, and one child that its
        // parent does not wait for.
        for script in [
            "(sleep 2; echo > MARK) ; true",
            "exec >&-; sleep 2; echo > MARK",
            "(sleep 2; echo > MARK) &",
        ] {
            let script = script.replace("MARK", mark.to_str().unwrap());
            let (finished, took) = ran(&script, limits(SHORT, Ending::Output));
            assert!(
                matches!(finished, Err(CommandError::Timeout(SHORT))),
                "{script}: {finished:?}"
            );
            assert!(took < Duration::from_secs(2), "{script}: {took:?}");
        }
        thread::sleep(Duration::from_millis(2500));
        assert!(!mark.exists());
    }

    #[test]
    fn child_that_keeps_output_open_does_not_block_us() {
        let (finished, took) = ran("sleep 3 & echo a", limits(LONG, Ending::Process));
        assert_eq!(finished.unwrap().output.as_slice(), b"a\n");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }

    #[test]
    fn command_that_prints_without_end_is_killed() {
        for ending in [Ending::Output, Ending::Process] {
            let (finished, took) = ran("exec yes", limits(LONG, ending));
            assert!(matches!(finished, Err(CommandError::TooLarge)), "{finished:?}");
            assert!(took < LONG, "{took:?}");
        }
    }

    #[test]
    fn command_that_fails_or_is_not_there_is_told() {
        let (finished, _) = ran("echo why; exit 3", limits(LONG, Ending::Output));
        let finished = finished.unwrap();
        assert_eq!((finished.status.code(), finished.output.as_slice()), (Some(3), &b"why\n"[..]));
        let none = run(Command::new("/no/such/program"), None, limits(LONG, Ending::Output));
        assert!(
            matches!(none, Err(CommandError::Start(error)) if error.kind() == io::ErrorKind::NotFound)
        );
    }
}
