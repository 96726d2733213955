//! The access of one run to a cluster: its writes, their deadline, and the signals that stop it.

use std::cell::RefCell;
use std::io;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Instant;

use serde_json::Value;

use super::client::Cluster;
use super::error::CallError;
use super::retry::Patience;
use super::secret::Secret;
use super::signals::Signals;
use super::write::Write;
use crate::model::object_key::ObjectKey;

/// One run's own access to a cluster, which it reads as a [`Cluster`]. Only a session can write.
pub struct Session {
    cluster: Cluster,
    /// The deadline for writes while the run holds a lock.
    fence: Option<Instant>,
}

impl Deref for Session {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Session {
    /// Starts a session of a run that holds no lock.
    pub fn begin(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), fence: None }
    }

    /// Sends a write until it succeeds, is refused, or the deadline passes.
    ///
    /// # Errors
    ///
    /// Same as [`Cluster::call`]; also when the deadline has passed.
    pub fn write(&self, write: &Write) -> Result<Value, CallError> {
        self.cluster.call_until(&write.0, self.fence)
    }

    /// Same as [`Session::write`] without the deadline, for a write that states its own
    /// preconditions.
    ///
    /// # Errors
    ///
    /// Same as [`Cluster::call`].
    pub fn write_unfenced(&self, write: &Write) -> Result<Value, CallError> {
        self.cluster.call_until(&write.0, None)
    }

    /// Creates a new Secret, or replaces the version that was read; returns the stored Secret.
    ///
    /// # Errors
    ///
    /// Same as [`Session::write`]; with code 409 if the Secret exists already or was changed since
    /// it was read.
    pub fn put_secret(&self, key: &ObjectKey, secret: &Secret) -> Result<Secret, CallError> {
        self.cluster.call_until(&Write::secret(key, secret).0, self.fence)
    }

    /// Sets the deadline for writes, which the lock of the run gives.
    pub fn fence(&mut self, until: Option<Instant>) {
        self.fence = until;
    }

    /// Installs handlers by which SIGINT and SIGTERM end the current call or pause instead of the
    /// process. A running write may finish, unless a second signal arrives.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub fn heed_signals(&mut self) -> io::Result<()> {
        self.cluster.patience = Patience::USUAL;
        if self.cluster.signals.is_none() {
            let _inside = self.cluster.runtime.enter();
            self.cluster.signals = Some(Rc::new(RefCell::new(Signals::heed()?)));
        }
        self.require_signals(1);
        Ok(())
    }

    /// Requires a second signal to stop the following calls, which clean up after the first one.
    pub fn overlook_first_signal(&mut self) {
        self.require_signals(2);
    }

    /// Limits the following calls to one retry and a few seconds: the user waits for the report of
    /// another failure.
    pub fn hurry(&mut self) {
        self.cluster.patience = Patience::HURRIED;
    }

    fn require_signals(&mut self, enough: u32) {
        if let Some(signals) = &self.cluster.signals {
            signals.borrow_mut().takes(enough);
        }
    }
}
