//! The program that a test runs, which a fault may kill.

use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use rustix::process::{Pid, Signal, kill_process};

/// The runs of the program, one after the other.
#[derive(Default)]
pub(super) struct Program {
    /// The current run.
    run: Mutex<Option<Run>>,
    is_changed: Condvar,
}

/// A run, from its start until nothing of it is left.
#[derive(Default)]
struct Run {
    pid: Option<Pid>,
    is_killed: bool,
    connections: usize,
}

impl Program {
    /// Runs the program, and returns its process id and its output.
    ///
    /// Nothing of the run outlives it, even if it is killed: its process is reaped, and its requests
    /// are over.
    pub(super) fn run(&self, command: &mut Command) -> (u32, Output) {
        *self.current() = Some(Run::default());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        let child = child.spawn().unwrap();
        let id = child.id();
        self.current().as_mut().unwrap().pid = Pid::from_raw(id.try_into().unwrap());
        self.is_changed.notify_all();
        let output = child.wait_with_output().unwrap();
        let is_connected =
            |run: &mut Option<Run>| run.as_ref().is_some_and(|run| run.connections > 0);
        *self.is_changed.wait_while(self.current(), is_connected).unwrap() = None;
        (id, output)
    }

    /// Kills the program.
    pub(super) fn kill(&self) {
        let is_starting =
            |run: &mut Option<Run>| run.as_ref().expect("only a program is killed").pid.is_none();
        let mut run = self.is_changed.wait_while(self.current(), is_starting).unwrap();
        let run = run.as_mut().unwrap();
        if !run.is_killed {
            run.is_killed = true;
            kill_process(run.pid.unwrap(), Signal::KILL).unwrap();
        }
    }

    /// Returns whether the current run was killed.
    pub(super) fn is_killed(&self) -> bool {
        self.current().as_ref().is_some_and(|run| run.is_killed)
    }

    fn current(&self) -> MutexGuard<'_, Option<Run>> {
        self.run.lock().unwrap()
    }
}

/// A connection; the run in which it was made lasts as long as it does.
pub(super) struct Connection(Option<Arc<Program>>);

impl Connection {
    pub(super) fn new(program: &Arc<Program>) -> Self {
        // Without a run, a client in the test itself connects.
        Self(program.current().as_mut().map(|run| {
            run.connections += 1;
            Arc::clone(program)
        }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(program) = &self.0 else { return };
        if let Some(run) = program.current().as_mut() {
            run.connections -= 1;
        }
        program.is_changed.notify_all();
    }
}
