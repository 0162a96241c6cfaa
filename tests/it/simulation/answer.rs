//! A response says what came of an invocation, no more and no less, and forgets nothing.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use workspaces_image_import::{
    import::{Memory, Outcome, Record, Transition},
    tracker::Announced,
};

use super::{
    invocation::LIMIT,
    world::{Memories, World},
};

/// What an invocation answered.
pub(super) struct Answered {
    /// The records of its event.
    pub(super) before: Vec<Record>,
    /// The records of its response, as the next event has them.
    pub(super) records: Vec<Record>,
    pub(super) announced: Vec<Announced>,
}

/// A response, as a workflow reads it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    status: Outcome,
    pending: usize,
    completed: usize,
    failed: usize,
    unchecked: usize,
    imports: Vec<SaidOfImport>,
    transitions: Vec<SaidOfTransition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SaidOfImport {
    state: Option<String>,
    owed: Option<Transition>,
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SaidOfTransition {
    transition_id: String,
}

impl Answered {
    /// What the next check needs comes through the JSON as it is.
    pub(super) fn is_carried_by(&self, records: &[Record]) {
        assert_eq!(records.len(), self.records.len());
        for (read, made) in records.iter().zip(&self.records) {
            assert_eq!((&read.image_id, &read.memory), (&made.image_id, &made.memory));
            assert_eq!(read.check_error, made.check_error);
            let description = |record: &Record| record.description.as_ref().map(|json| json.get().to_owned());
            assert!(read.truncated || description(read) == description(made), "{read:?} is not {made:?}");
        }
    }

    /// What was announced is exactly what SNS confirmed to this invocation, in the event's order, one of each import.
    pub(super) fn tells_of(&self, confirmed: &[String]) {
        let image_ids = |records: &[Record]| records.iter().map(|record| record.image_id.clone()).collect::<Vec<_>>();
        assert_eq!(image_ids(&self.records), image_ids(&self.before), "the event's order");
        let told = self.announced.iter().map(|announced| announced.transition.id(&announced.image_id));
        let (told, confirmed): (BTreeSet<String>, BTreeSet<String>) =
            (told.collect(), confirmed.iter().cloned().collect());
        assert_eq!(told, confirmed, "what SNS took is what is told of");
        let mut images = self.records.iter().map(|record| &record.image_id);
        for announced in &self.announced {
            assert!(images.any(|id| *id == announced.image_id), "out of order, or two of one import: {announced:?}");
        }
    }

    /// The counts and the status are those of the records, and `Transitions` is what was announced.
    pub(super) fn says(&self, json: &RawValue) {
        assert!(json.get().len() <= LIMIT, "{json}");
        let said: Said = serde_json::from_str(json.get()).expect("a response");
        let count = |outcome| said.imports.iter().filter(|import| import.outcome == outcome).count();
        let counts = [Outcome::Pending, Outcome::Completed, Outcome::Failed].map(count);
        assert_eq!([said.pending, said.completed, said.failed], counts, "{json}");
        assert!(said.unchecked <= said.imports.len(), "{json}");
        let status = match counts {
            [0, _, 0] => Outcome::Completed,
            [0, ..] => Outcome::Failed,
            _ => Outcome::Pending,
        };
        assert_eq!(said.status, status, "{json}");
        for import in &said.imports {
            let settled = match import.state.as_deref() {
                Some("COMPLETED") => Outcome::Completed,
                Some("ERROR" | "NOT_FOUND") => Outcome::Failed,
                _ => Outcome::Pending,
            };
            assert!(import.outcome == settled || import.outcome == Outcome::Pending, "{json}");
            assert!(import.owed.is_none() || import.outcome == Outcome::Pending, "{json}");
        }
        let told = self.announced.iter().map(|announced| announced.transition.id(&announced.image_id));
        assert!(told.eq(said.transitions.into_iter().map(|said| said.transition_id)), "{json}");
    }

    /// What was announced of the import whose record is at this place.
    fn announced_of(&self, place: usize) -> Option<&Transition> {
        let image_id = &self.records[place].image_id;
        self.announced.iter().find(|announced| announced.image_id == *image_id).map(|announced| &announced.transition)
    }

    /// A record says what was delivered, and owes what the ledger owes.
    pub(super) fn agrees_with(&self, world: &mut World) {
        let memories = world.memories;
        for (place, record) in self.records.iter().enumerate() {
            let (memory, before) = (&record.memory, &self.before[place].memory);
            let import = world.import(&record.image_id);
            let delivered = |delivery: &Transition| {
                delivery.sequence == memory.sequence && Some(&delivery.to) == memory.state.as_ref()
            };
            assert!(
                memory.sequence == 0 || import.deliveries.iter().any(delivered),
                "{} says {:?} of number {}, which nobody was told",
                record.image_id,
                memory.state,
                memory.sequence
            );
            assert!(memory.sequence >= before.sequence, "{before:?} goes back to {memory:?}");
            let announced = self.announced_of(place);
            if let Some(announced) = announced {
                assert!(import.deliveries.contains(announced), "{announced:?} was not delivered");
                assert!(memory.sequence >= announced.sequence, "{announced:?} was announced, and is forgotten");
            }
            match memories {
                Memories::Payload => {
                    steps(before, memory, announced);
                    let failed = record.check_error.as_ref().is_some_and(|error| error.error.starts_with("Sns."));
                    assert!(!failed || memory.owed.is_some(), "what SNS did not take is dropped: {record:?}");
                }
                // What could not be written stays in the payload alone.
                _ if record.check_error.is_some() => (),
                _ => assert!(
                    memory.owed.iter().all(|owed| import.owed.get(&owed.sequence) == Some(owed)),
                    "the ledger never owed {:?}",
                    memory.owed
                ),
            }
        }
    }

    /// The workflow goes on from this answer: it is the one memory of what was announced.
    pub(super) fn is_followed(&self, world: &mut World) {
        for place in 0..self.records.len() {
            if let Some(announced) = self.announced_of(place) {
                let import = world.import(&self.records[place].image_id);
                import.line.follow(announced, &import.history, &import.answers);
            }
        }
    }
}

/// With the payload alone a record moves by what was announced, and by nothing else.
fn steps(before: &Memory, after: &Memory, announced: Option<&Transition>) {
    let owed = before.owed.as_ref();
    if let Some(announced) = announced {
        assert!(owed.is_none_or(|owed| owed == announced), "{announced:?} was announced before {owed:?}");
        assert_eq!(announced.sequence, before.sequence + 1);
        let after = (after.sequence, after.state.as_ref(), after.owed.as_ref());
        assert_eq!(after, (announced.sequence, Some(&announced.to), None));
    } else {
        assert_eq!((after.sequence, &after.state), (before.sequence, &before.state), "nothing was announced");
        assert!(owed.is_none() || after.owed == before.owed, "{owed:?} is dropped");
    }
}
