//! Checks a response: it reports exactly what the invocation did, and it forgets nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use workspaces_image_import::import::{
    Announcement, CarriedDescription, Checkpoint, ImageId, Outcome, Record, State, Transition,
};

use super::{
    import::{DescribeAnswer, is_settled},
    invocation::LIMIT,
    services::Seen,
    world::{Store, World},
};

/// What an invocation answered.
pub(super) struct InvocationResult {
    /// The records before the invocation, in the order of the response.
    pub(super) before: Vec<Record>,
    /// The images that its event named.
    pub(super) named: BTreeSet<ImageId>,
    /// The records of its response.
    pub(super) records: Vec<Record>,
    pub(super) announced: Vec<Announcement>,
    /// The images whose describe call was not sent.
    pub(super) not_sent: BTreeSet<ImageId>,
    /// The answers to describe calls.
    pub(super) answers: BTreeMap<ImageId, DescribeAnswer>,
}

/// A response, as a workflow reads it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    status: Outcome,
    pending: usize,
    completed: usize,
    failed: usize,
    unchecked: usize,
    imports: Vec<ImportSummary>,
    transitions: Vec<TransitionSummary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImportSummary {
    state: Option<State>,
    owed: Option<Transition>,
    outcome: Outcome,
    missing: Option<String>,
    #[serde(default)]
    truncated: bool,
    description: Option<DescriptionSummary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescriptionSummary {
    state: Option<State>,
}

impl ImportSummary {
    /// The outcome that follows from the other members, as the contract defines it.
    fn expected_outcome(&self) -> Outcome {
        let described = match &self.description {
            _ if self.missing.is_some() => Some(State::not_found()),
            Some(description) => description.state.clone(),
            None => None,
        };
        let behind = described.is_some() && described != self.state;
        match &self.state {
            Some(state) if self.owed.is_none() && !behind => state.outcome(),
            _ => Outcome::Pending,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TransitionSummary {
    transition_id: String,
}

fn description(record: &Record) -> Option<String> {
    record.description.as_ref().map(CarriedDescription::to_json)
}

impl InvocationResult {
    /// Behind the event's records, the response has one for each image that the searches found beside them, except for
    /// images that turned out to be no imports, for failures that are still the same, and for those that do not fit.
    pub(super) fn has_what_was_discovered(&self, seen: &Seen, undiscovered: usize, max_records: usize, world: &World) {
        let (listed, unsettled) = (&*seen.listed.borrow() - &self.named, &*seen.unsettled.borrow() - &self.named);
        let is_named = |record: &&Record| self.named.contains(&record.image_id);
        let discovered: Vec<&ImageId> =
            self.records.iter().skip_while(is_named).map(|record| &record.image_id).collect();
        assert!(discovered.is_sorted_by(|one, next| one < next), "in the order of the IDs");
        let records: BTreeSet<&ImageId> = discovered.into_iter().collect();
        let found: BTreeSet<&ImageId> = listed.union(&unsettled).collect();
        assert!(records.is_subset(&found), "{records:?} in place of {found:?}");
        let left_out: BTreeSet<&ImageId> =
            found.difference(&records).copied().filter(|id| self.answers.contains_key(*id)).collect();
        for id in &left_out {
            let answer = self.answers[*id];
            let was_known = seen.read.borrow().contains(*id)
                && world.item(id).is_some_and(|item| !item.checkpoint.listed && !is_settled(&item.checkpoint));
            let is_no_import = answer == DescribeAnswer::NotFound && !was_known;
            let has_failed = matches!(answer.state(), Some("ERROR" | "NOT_FOUND") | None);
            assert!(
                is_no_import || seen.read.borrow().contains(*id) && has_failed,
                "{id} was left out after {answer:?}"
            );
        }
        let checked: BTreeSet<&ImageId> = records.union(&left_out).copied().collect();
        assert_eq!(found.len() - checked.len(), undiscovered, "{checked:?} of {found:?}");
        if undiscovered > 0 {
            let room = max_records - self.named.len();
            assert_eq!(checked.len(), room, "there was room for more");
            let new = listed.difference(&unsettled).filter(|id| checked.contains(id)).count();
            let known = checked.len() - new;
            assert!(new == listed.difference(&unsettled).count() || new >= room / 4, "{checked:?}: no new ones");
            assert!(known == unsettled.len() || known >= room * 3 / 4, "{checked:?}: too many new ones");
        }
    }

    /// An image that was not made by an import is never treated as one. What was listed is in the ledger until it has
    /// been described.
    fn is_plausible(&self, record: &Record, world: &World) {
        let has_had = |name| world.has_had(&record.image_id, name);
        assert!(record.name.as_ref().is_none_or(has_had), "{record:?} never had this name");
        let is_other = world.others.contains_key(&record.image_id);
        assert!(!is_other || record.checkpoint.is_only_listed(), "{record:?} was not made by an import");
        let has_failed = record.check_error.as_ref().is_some_and(|error| error.error.starts_with("DynamoDb."));
        if world.discover && !has_failed && !self.named.contains(&record.image_id) {
            assert!(world.item(&record.image_id).is_some(), "{record:?} is not in the ledger");
        }
    }

    /// What the next check needs passes through JSON unchanged.
    pub(super) fn is_carried_by(&self, records: &[Record]) {
        assert_eq!(records.len(), self.records.len());
        for (read, written) in records.iter().zip(&self.records) {
            assert_eq!((&read.image_id, &read.checkpoint), (&written.image_id, &written.checkpoint));
            assert_eq!((&read.name, &read.check_error), (&written.name, &written.check_error));
            assert!(read.truncated || description(read) == description(written), "{read:?} is not {written:?}");
        }
    }

    /// The response reports exactly what SNS confirmed to this invocation: in the event's order, one per import.
    pub(super) fn reports_what_was_confirmed(&self, confirmed: &[String]) {
        let image_ids = |records: &[Record]| records.iter().map(|record| record.image_id.clone()).collect::<Vec<_>>();
        assert_eq!(image_ids(&self.records), image_ids(&self.before), "the event's order");
        let reported: BTreeSet<&str> =
            self.announced.iter().map(|announced| announced.transition_id.as_str()).collect();
        assert_eq!(reported, confirmed.iter().map(String::as_str).collect());
        let mut images = self.records.iter().map(|record| &record.image_id);
        for announced in &self.announced {
            assert!(images.any(|id| *id == announced.image_id), "out of order, or two of one import: {announced:?}");
        }
    }

    /// The counts and the status follow from the records, and `Transitions` is what was announced.
    pub(super) fn is_summarized_by(&self, json: &RawValue) {
        assert!(json.get().len() <= LIMIT, "{json}");
        let summary: Summary = serde_json::from_str(json.get()).expect("a response");
        let count = |outcome| summary.imports.iter().filter(|import| import.outcome == outcome).count();
        let counts = [Outcome::Pending, Outcome::Completed, Outcome::Failed].map(count);
        assert_eq!([summary.pending, summary.completed, summary.failed], counts, "{json}");
        assert_eq!(summary.unchecked, self.not_sent.len(), "{json}");
        let status = match counts {
            [0, _, 0] => Outcome::Completed,
            [0, ..] => Outcome::Failed,
            _ => Outcome::Pending,
        };
        assert_eq!(summary.status, status, "{json}");
        for import in &summary.imports {
            // A description that was removed does not show what it said.
            assert!(import.truncated || import.outcome == import.expected_outcome(), "{json}");
            assert!(import.owed.is_none() || import.outcome == Outcome::Pending, "{json}");
        }
        let announced = self.announced.iter().map(|announced| announced.transition_id.as_str());
        assert!(announced.eq(summary.transitions.iter().map(|summary| summary.transition_id.as_str())), "{json}");
    }

    /// What was announced about the import with this place in the event.
    fn announced_at(&self, place: usize) -> Option<&Transition> {
        let image_id = &self.records[place].image_id;
        self.announced.iter().find(|announced| announced.image_id == *image_id).map(|announced| &announced.transition)
    }

    /// Each record agrees with what was delivered and with what the ledger owes.
    pub(super) fn agrees_with(&self, world: &mut World) {
        let store = world.store;
        for (place, record) in self.records.iter().enumerate() {
            let (checkpoint, before) = (&record.checkpoint, &self.before[place].checkpoint);
            self.is_plausible(record, world);
            if world.others.contains_key(&record.image_id) {
                continue;
            }
            let import = world.import(&record.image_id);
            let is_last = |delivery: &Transition| {
                delivery.sequence == checkpoint.sequence && Some(&delivery.to) == checkpoint.state.as_ref()
            };
            assert!(
                checkpoint.sequence == 0 || import.deliveries.iter().any(is_last),
                "{} has {:?} as number {}, which was never delivered",
                record.image_id,
                checkpoint.state,
                checkpoint.sequence
            );
            assert!(checkpoint.sequence >= before.sequence, "{before:?} goes back to {checkpoint:?}");
            let announced = self.announced_at(place);
            if let Some(announced) = announced {
                assert!(import.deliveries.contains(announced), "{announced:?} was not delivered");
                assert!(checkpoint.sequence >= announced.sequence, "{announced:?} was announced and is forgotten");
            }
            match store {
                Store::Payload => {
                    let answer = self.answers.get(&record.image_id);
                    moves_by_announcement(before, checkpoint, announced);
                    flags_follow(answer, before, checkpoint, announced.is_some());
                    let failed = record.check_error.as_ref().is_some_and(|error| error.error.starts_with("Sns."));
                    assert!(
                        !failed || checkpoint.owed.is_some(),
                        "SNS did not accept it, and it is dropped: {record:?}"
                    );
                    let unchecked = self.not_sent.contains(&record.image_id) && before.owed.is_none();
                    assert!(!unchecked || is_unchanged(record, &self.before[place]), "unchecked, but {record:?}");
                }
                // What could not be written is in the payload alone, and the next check goes on from there.
                _ if record.check_error.is_some() => (),
                _ if self.answers.contains_key(&record.image_id) && before.owed.is_some() => {
                    let owed = before.owed.as_ref().expect("owed");
                    let is_known = checkpoint.sequence >= owed.sequence || import.owed.contains_key(&owed.sequence);
                    assert!(is_known || checkpoint.owed.as_ref() == Some(owed), "{owed:?} of the payload is dropped");
                }
                _ => assert!(
                    checkpoint.owed.iter().all(|owed| import.owed.get(&owed.sequence) == Some(owed)),
                    "the ledger never owed {:?}",
                    checkpoint.owed
                ),
            }
        }
    }

    /// The workflow continues from this response, which is all that it knows about announcements.
    pub(super) fn is_followed(&self, world: &mut World) {
        for place in 0..self.records.len() {
            if let Some(announced) = self.announced_at(place) {
                let import = world.import(&self.records[place].image_id);
                import.history.add(announced, &import.states, &import.answers);
            }
        }
    }
}

fn is_unchanged(after: &Record, before: &Record) -> bool {
    after.checkpoint == before.checkpoint
        && after.check_error == before.check_error
        && (after.truncated || description(after) == description(before))
}

/// With the payload alone, the flags of a record follow from the answer and from nothing else.
fn flags_follow(answer: Option<&DescribeAnswer>, before: &Checkpoint, after: &Checkpoint, announced: bool) {
    let is_missing = answer.map_or(before.missing.is_some(), |answer| *answer == DescribeAnswer::NotFound);
    assert_eq!(after.missing.is_some(), is_missing, "{before:?}, {answer:?}: {after:?}");
    assert!(!is_missing || before.missing.is_none_or(|since| after.missing == Some(since)), "{before:?}: {after:?}");
    let says_nothing =
        matches!(answer, None | Some(DescribeAnswer::NotFound | DescribeAnswer::Described { state: None, .. }));
    assert!(!says_nothing || announced || after.stalled == before.stalled, "{before:?}, {answer:?}: {after:?}");
}

/// With the payload alone, a record changes only by what was announced.
fn moves_by_announcement(before: &Checkpoint, after: &Checkpoint, announced: Option<&Transition>) {
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
