//! The course of every change to a cluster: planned, shown, agreed to, carried out.
//!
//! A [`Change`] is made by reading the cluster. Until the operator agrees, nothing is written. The
//! order is a promise: plan before lock, record before write.

use crate::failure::Failure;
use crate::model::digest::Digest;

/// A planned change.
pub trait Change {
    /// The result, for the report.
    type Done;

    /// Returns why it cannot be carried out.
    fn blocked(&self) -> Option<Failure> {
        None
    }

    /// Returns the hash that approves it.
    fn hash(&self) -> Option<Digest> {
        None
    }

    /// Returns whether nothing is left that the operator has to agree to.
    fn is_noop(&self) -> bool;

    /// Checks the permissions that only carrying it out needs.
    ///
    /// # Errors
    ///
    /// When some are missing, or the cluster cannot be asked.
    fn check_permissions(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Carries it out. After a failure, the lock is free and the same change can be planned again.
    ///
    /// # Errors
    ///
    /// When another run holds the lock, or the cluster cannot be changed.
    fn carry_out(&mut self) -> Result<Self::Done, Failure>;
}

/// Decides about a change: a person at a terminal, or the flags of a command line.
pub trait Operator<C: Change> {
    /// Whether the operator only wants to see the plan.
    fn is_dry_run(&self) -> bool;

    /// Decides about a change that is about to be carried out.
    ///
    /// # Errors
    ///
    /// When the operator declines, or cannot be asked.
    fn agree(&self, change: &C) -> Result<Agreement, Failure>;
}

/// The answer of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    Given,
    /// It was given for a plan with another hash.
    ToAnotherPlan,
}

/// The end of a change.
#[derive(Debug)]
pub enum ChangeEnd<D> {
    /// The operator only wanted to see the plan.
    Planned,
    /// The operator had agreed to another plan.
    AnotherPlan,
    Done(D),
}

/// Takes a change through its course.
///
/// # Errors
///
/// When it is blocked, is not permitted or agreed to, or fails.
pub fn make<C: Change>(
    change: &mut C,
    operator: &impl Operator<C>,
) -> Result<ChangeEnd<C::Done>, Failure> {
    if operator.is_dry_run() {
        return Ok(ChangeEnd::Planned);
    }
    if let Some(blocked) = change.blocked() {
        return Err(blocked);
    }
    if !change.is_noop() {
        change.check_permissions()?;
        if operator.agree(change)? == Agreement::ToAnotherPlan {
            return Ok(ChangeEnd::AnotherPlan);
        }
    }
    change.carry_out().map(ChangeEnd::Done)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[derive(Default)]
    struct Sample {
        is_blocked: bool,
        is_noop: bool,
        is_forbidden: bool,
        steps: RefCell<Vec<&'static str>>,
    }

    impl Change for Sample {
        type Done = ();

        fn blocked(&self) -> Option<Failure> {
            self.is_blocked.then(|| Failure::world("blocked"))
        }

        fn is_noop(&self) -> bool {
            self.is_noop
        }

        fn check_permissions(&self) -> Result<(), Failure> {
            self.steps.borrow_mut().push("check");
            if self.is_forbidden { Err(Failure::world("forbidden")) } else { Ok(()) }
        }

        fn carry_out(&mut self) -> Result<(), Failure> {
            self.steps.borrow_mut().push("carry out");
            Ok(())
        }
    }

    /// Answers with an agreement; only looks without one.
    struct Answers(Option<Agreement>);

    impl Operator<Sample> for Answers {
        fn is_dry_run(&self) -> bool {
            self.0.is_none()
        }

        fn agree(&self, change: &Sample) -> Result<Agreement, Failure> {
            change.steps.borrow_mut().push("agree");
            self.0.ok_or_else(|| Failure::input("declined"))
        }
    }

    const GIVEN: Answers = Answers(Some(Agreement::Given));

    #[test]
    fn change_is_checked_then_agreed_to_then_carried_out() {
        let mut change = Sample::default();
        assert!(matches!(make(&mut change, &GIVEN), Ok(ChangeEnd::Done(()))));
        assert_eq!(change.steps.take(), ["check", "agree", "carry out"]);
    }

    #[test]
    fn preview_of_change_takes_no_step_even_if_blocked() {
        let mut change = Sample { is_blocked: true, ..Sample::default() };
        assert!(matches!(make(&mut change, &Answers(None)), Ok(ChangeEnd::Planned)));
        assert_eq!(change.steps.take(), [""; 0]);
    }

    #[test]
    fn blocked_or_forbidden_change_is_not_asked_about() {
        let mut blocked = Sample { is_blocked: true, ..Sample::default() };
        assert_eq!(make(&mut blocked, &GIVEN).unwrap_err().message(), "blocked");
        assert_eq!(blocked.steps.take(), [""; 0]);
        let mut forbidden = Sample { is_forbidden: true, ..Sample::default() };
        assert_eq!(make(&mut forbidden, &GIVEN).unwrap_err().message(), "forbidden");
        assert_eq!(forbidden.steps.take(), ["check"]);
    }

    #[test]
    fn agreement_to_another_plan_carries_nothing_out() {
        let mut change = Sample::default();
        let operator = Answers(Some(Agreement::ToAnotherPlan));
        assert!(matches!(make(&mut change, &operator), Ok(ChangeEnd::AnotherPlan)));
        assert_eq!(change.steps.take(), ["check", "agree"]);
    }

    #[test]
    fn noop_needs_no_agreement() {
        let mut change = Sample { is_noop: true, ..Sample::default() };
        assert!(matches!(make(&mut change, &GIVEN), Ok(ChangeEnd::Done(()))));
        assert_eq!(change.steps.take(), ["carry out"]);
    }
}
