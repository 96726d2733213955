//! Chooses the generation to roll back to: one that ran here, never one that was only begun.

use super::record::{GenerationEntry, GenerationProgress, Head};

/// The reason why no rollback is possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    #[error("the record has no generation {0}")]
    Unknown(u64),
    #[error("generation {generation} is {state}: it never ran here completely")]
    NeverRan { generation: u64, state: GenerationProgress },
    #[error("no generation with different content has ever run here")]
    Nowhere,
}

/// Returns the possible targets of a rollback, newest first.
pub fn ways_back(head: &Head) -> impl Iterator<Item = &GenerationEntry> {
    head.generations.iter().rev().filter(|entry| entry.state.has_run())
}

/// Returns the possible targets of a rollback whose content differs from the running one.
pub fn ways_elsewhere(head: &Head) -> impl Iterator<Item = &GenerationEntry> {
    // A rollback of an unfinished attempt goes to the deployed generation; a rollback of the
    // deployed generation goes to other content.
    let left = head.deployed().filter(|_| head.pending().is_none());
    ways_back(head).filter(move |entry| left.is_none_or(|left| left.content_id != entry.content_id))
}

/// Returns the generation `to`, or the one that ran before the running or attempted one.
///
/// # Errors
///
/// When the requested generation never ran here, or no other one did.
pub fn way_back(head: &Head, to: Option<u64>) -> Result<&GenerationEntry, NoWayBack> {
    if let Some(generation) = to {
        let known = head.generations.iter().find(|entry| entry.generation == generation);
        let entry = known.ok_or(NoWayBack::Unknown(generation))?;
        let state = entry.state;
        return if state.has_run() {
            Ok(entry)
        } else {
            Err(NoWayBack::NeverRan { generation, state })
        };
    }
    // Continue an unfinished rollback.
    let begun = head.pending().filter(|pending| pending.content_of.is_some());
    if let Some(begun) = begun {
        let is_it = |entry: &&GenerationEntry| {
            (entry.content_id, entry.serial) == (begun.content_id, begun.serial)
        };
        return ways_back(head).find(is_it).ok_or(NoWayBack::Nowhere);
    }
    ways_elsewhere(head).next().ok_or(NoWayBack::Nowhere)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::model::timestamp::Timestamp;

    fn head(entries: &[(u64, u8, GenerationProgress)]) -> Head {
        let entry =
            |&(generation, content, state): &(u64, u8, GenerationProgress)| GenerationEntry {
                generation,
                content_id: Digest::of(&[content]),
                profile: "production".parse().unwrap(),
                serial: generation,
                state,
                recorded: Timestamp::from_seconds(1_795_341_600).unwrap(),
                content_of: None,
            };
        Head { generations: entries.iter().map(entry).collect(), ..Head::default() }
    }

    #[test]
    fn interrupted_rollback_is_resumed() {
        use GenerationProgress::{Deployed, Pending, Superseded};
        let mut head = head(&[(1, 1, Superseded), (2, 2, Deployed), (3, 1, Pending)]);
        head.generations[2].content_of = Some(1);
        head.generations[2].serial = head.generations[0].serial;

        assert_eq!(way_back(&head, None).unwrap().generation, 1);
        assert_eq!(way_back(&head, Some(2)).unwrap().generation, 2);
    }

    #[test]
    fn rollback_defaults_to_last_other_content_that_ran() {
        use GenerationProgress::{Abandoned, Deployed, Pending, Removed, Removing, Superseded};
        let table: [(&[_], _); 9] = [
            (&[], Err(NoWayBack::Nowhere)),
            (&[(1, 1, Deployed)], Err(NoWayBack::Nowhere)),
            (&[(1, 1, Superseded), (2, 2, Deployed)], Ok(1)),
            (&[(1, 1, Deployed), (2, 2, Pending)], Ok(1)),
            (&[(1, 1, Superseded), (2, 2, Abandoned), (3, 1, Deployed)], Err(NoWayBack::Nowhere)),
            (&[(1, 1, Superseded), (2, 2, Superseded), (3, 1, Deployed)], Ok(2)),
            (&[(1, 1, Superseded), (2, 2, Removed)], Ok(2)),
            (&[(1, 1, Superseded), (2, 2, Removing)], Ok(2)),
            (&[(1, 1, Pending)], Err(NoWayBack::Nowhere)),
        ];
        for (entries, wanted) in table {
            let head = head(entries);
            assert_eq!(way_back(&head, None).map(|entry| entry.generation), wanted, "{entries:?}");
        }
    }

    #[test]
    fn generation_that_never_ran_is_refused_by_number() {
        use GenerationProgress::{Abandoned, Deployed, Pending, Superseded};
        let head =
            head(&[(2, 1, Superseded), (3, 2, Abandoned), (4, 3, Deployed), (5, 4, Pending)]);

        let answer = |to| way_back(&head, Some(to)).map(|entry| entry.generation);

        assert_eq!((answer(2), answer(4)), (Ok(2), Ok(4)));
        assert_eq!(answer(1), Err(NoWayBack::Unknown(1)));
        assert_eq!(answer(3), Err(NoWayBack::NeverRan { generation: 3, state: Abandoned }));
        assert_eq!(answer(5), Err(NoWayBack::NeverRan { generation: 5, state: Pending }));
        assert_eq!(ways_back(&head).map(|entry| entry.generation).collect::<Vec<_>>(), [4, 2]);
    }

    #[test]
    fn running_content_is_not_alternative_rollback_target() {
        use GenerationProgress::{Deployed, Pending, Superseded};
        let elsewhere = |entries: &[_]| -> Vec<u64> {
            ways_elsewhere(&head(entries)).map(|entry| entry.generation).collect()
        };

        assert_eq!(elsewhere(&[(1, 1, Deployed)]), [0; 0]);
        assert_eq!(elsewhere(&[(1, 2, Superseded), (2, 1, Superseded), (3, 1, Deployed)]), [1]);
        assert_eq!(elsewhere(&[(1, 1, Deployed), (2, 2, Pending)]), [1]);
    }
}
