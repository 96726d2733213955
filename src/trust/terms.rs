//! The inputs of a verification: whom to trust, the intended use, and the time.

use super::key::PublicKey;
use super::policy::Policy;
use super::state::State;
use crate::model::timestamp::Timestamp;

/// The source of trust.
#[derive(Clone, Copy, Debug)]
pub enum Authority<'a> {
    /// A policy, and the state of earlier verifications.
    Policy(&'a Policy, &'a State),
    /// A single key, for any bundle. Neither target nor replay is checked.
    Key(&'a PublicKey),
}

/// The intended use of the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new bundle.
    Install,
    /// A new bundle, or content that is already deployed and is applied again under the terms of
    /// [`Purpose::Deployed`]. The verifier does not know the cluster: `Voucher::only_if_deployed`
    /// tells the caller which case applies.
    Apply,
    /// Content that was deployed here before, for a rollback: neither its age nor later releases
    /// count.
    Deployed,
}

/// The inputs of a verification.
#[derive(Clone, Copy, Debug)]
pub struct VerifyTerms<'a> {
    pub authority: Authority<'a>,
    pub purpose: Purpose,
    /// The current time.
    pub now: Timestamp,
}
