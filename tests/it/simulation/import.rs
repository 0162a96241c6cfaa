//! One simulated import: its true states, its item in the ledger, and what subscribers received. Everything that
//! happens to it is checked against what happened before.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use tokio::time::Instant;
use workspaces_image_import::{
    import::{Checkpoint, ImageId, Kind, State, Transition},
    services::Item,
};

use super::{history::History, world::Store};

/// How long the checks must not find an image before it is `NOT_FOUND`.
pub(super) const MISSING_FOR: Duration = Duration::from_mins(15);

/// One import, as everything except the function sees it.
#[derive(Debug)]
pub(super) struct SimulatedImport {
    /// Every state that it has had; the last is the current one. `None`: the image did not exist.
    pub(super) states: Vec<Option<&'static str>>,
    /// The age of its last update, in minutes.
    pub(super) age: u64,
    /// What the service leaves out of descriptions.
    pub(super) omitted: Omitted,
    /// The state that records start from, if any.
    start: Option<State>,
    /// The answers that the function got to describe calls.
    pub(super) answers: Vec<DescribeAnswer>,
    /// When it got those that did not find the image.
    pub(super) misses: Vec<Instant>,
    /// Whether every description is malformed, so that the function cannot describe the import.
    pub(super) malformed: bool,
    /// Whether that is so until the faults stop.
    pub(super) hopeless: bool,
    /// Whether somebody has made the ledger's item unreadable. A write that succeeds repairs it.
    pub(super) corrupt: bool,
    /// The ledger's item.
    pub(super) item: Option<Item>,
    /// Every transition that the ledger has ever owed, by number.
    pub(super) owed: BTreeMap<u64, Transition>,
    /// Everything that SNS has delivered, including redeliveries.
    pub(super) deliveries: Vec<Transition>,
    /// The announcements without redeliveries.
    pub(super) history: History,
}

/// A member that the service leaves out of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Omitted {
    Nothing,
    State,
    Time,
}

/// One answer to a describe call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DescribeAnswer {
    NotFound,
    /// The state, and the age of the last update in minutes.
    Described {
        state: Option<&'static str>,
        age: Option<u64>,
    },
}

impl DescribeAnswer {
    /// The state that an announcement of this answer has, if any.
    pub(super) fn state(self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("NOT_FOUND"),
            Self::Described { state, .. } => state,
        }
    }

    /// The age of the last update, if the answer has a state and a time.
    pub(super) fn age(self) -> Option<u64> {
        match self {
            Self::Described { state: Some(_), age } => age,
            _ => None,
        }
    }
}

/// What a subscriber reads in a message.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delivery {
    pub(super) image_id: ImageId,
    pub(super) transition_id: String,
    kind: Kind,
    sequence: u64,
    from: Option<State>,
    to: State,
}

/// Whether a message was delivered before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    First,
    Again,
}

/// Whether a schedule can leave an import alone: it has ended, and nothing is owed or half known about it.
pub(super) fn is_settled(Checkpoint { state, owed, missing, .. }: &Checkpoint) -> bool {
    let state = state.as_ref().map(State::as_str);
    let is_half_known = missing.is_some() && state != Some("NOT_FOUND");
    matches!(state, Some("COMPLETED" | "ERROR" | "NOT_FOUND")) && owed.is_none() && !is_half_known
}

/// A state as announcements spell it.
pub(super) fn state_name(state: Option<&'static str>) -> &'static str {
    state.unwrap_or("NOT_FOUND")
}

impl SimulatedImport {
    /// An import that has just started. Its records start from this state, if any. If it is `hopeless`, it cannot be
    /// described until the faults stop.
    pub(super) fn new(start: Option<State>, hopeless: bool) -> Self {
        Self {
            states: vec![Some("PENDING")],
            age: 0,
            omitted: Omitted::Nothing,
            answers: Vec::new(),
            misses: Vec::new(),
            malformed: hopeless,
            hopeless,
            corrupt: false,
            item: None,
            owed: BTreeMap::new(),
            deliveries: Vec::new(),
            history: History::new(start.clone()),
            start,
        }
    }

    pub(super) fn now(&self) -> Option<&'static str> {
        self.states.last().copied().flatten()
    }

    /// Whether the service lists the image as pending.
    pub(super) fn is_running(&self) -> bool {
        !matches!(self.now(), None | Some("COMPLETED" | "ERROR"))
    }

    /// The answer to a describe call.
    pub(super) fn answer(&self) -> DescribeAnswer {
        let Some(state) = self.now() else { return DescribeAnswer::NotFound };
        let (state, age) = (Some(state), Some(self.age));
        match self.omitted {
            Omitted::Nothing => DescribeAnswer::Described { state, age },
            Omitted::State => DescribeAnswer::Described { state: None, age },
            Omitted::Time => DescribeAnswer::Described { state, age: None },
        }
    }

    /// Whether the first miss and the last one are far enough apart.
    fn has_been_missing(&self) -> bool {
        let span = self.misses.first().zip(self.misses.last()).map(|(first, last)| *last - *first);
        span.is_some_and(|span| span >= MISSING_FOR)
    }

    /// SNS accepts a message. With a ledger, it must have been owed before, a number identifies one announcement
    /// permanently, and first deliveries are in order of their numbers.
    pub(super) fn deliver(&mut self, delivery: Delivery, store: Store) -> Delivered {
        let Delivery { image_id, transition_id, kind, sequence, from, to } = delivery;
        let transition = Transition { kind, sequence, from, to };
        let label = if transition.kind == Kind::Stalled { "STALLED" } else { transition.to.as_str() };
        assert_eq!(transition_id, format!("{image_id}#{}:{label}", transition.sequence));
        let occurred = self.states.iter().any(|state| state_name(*state) == transition.to.as_str());
        assert!(occurred, "{transition_id} never occurred: {:?}", self.states);
        assert!(transition.to.as_str() != "NOT_FOUND" || self.has_been_missing(), "NOT_FOUND after a few misses");
        if store != Store::Payload {
            let owed = self.owed.get(&transition.sequence);
            assert_eq!(owed, Some(&transition), "{transition_id} was published before it was owed");
            match self.history.announced(transition.sequence) {
                Some(earlier) => assert_eq!(*earlier, transition, "two announcements with the same number"),
                None => self.history.add(&transition, &self.states, &self.answers),
            }
        }
        let delivered = if self.deliveries.contains(&transition) { Delivered::Again } else { Delivered::First };
        self.deliveries.push(transition);
        delivered
    }

    /// DynamoDB accepts a write if the item has the expected version. Otherwise, it returns the item.
    pub(super) fn write(&mut self, new: &Item, expected: Option<u64>, store: Store) -> Result<(), Box<Option<Item>>> {
        let before = self.item.clone();
        let old_name = before.as_ref().and_then(|item| item.name.as_ref());
        write_item(&mut self.item, new, expected)?;
        assert!(old_name.is_none() || new.name.is_some(), "{old_name:?} is forgotten");
        self.check_write(before.as_ref(), &new.checkpoint, store);
        self.corrupt = false;
        self.owed.extend(new.checkpoint.owed.clone().map(|owed| (owed.sequence, owed)));
        Ok(())
    }

    /// The ledger never goes backwards, never forgets what it owes, and marks only what was delivered as published.
    fn check_write(&self, before: Option<&Item>, new: &Checkpoint, store: Store) {
        let nothing = || Checkpoint { state: self.start.clone(), ..Checkpoint::default() };
        let old = before.map_or_else(nothing, |item| item.checkpoint.clone());
        assert!(!new.listed || new.is_only_listed(), "{new:?} was described");
        if old.listed || new.listed {
            // Nothing was announced about an image of which nothing was known.
            assert_eq!(new.sequence, 0, "{old:?} becomes {new:?}");
            return;
        }
        if new.sequence == old.sequence {
            assert_eq!(new.state, old.state, "a state changes only together with its number");
            assert!(old.owed.is_none() || new.owed == old.owed, "{:?} is dropped for {new:?}", old.owed);
        } else {
            let owed = old.owed.as_ref().unwrap_or_else(|| panic!("{new:?}, but {old:?} owed nothing"));
            assert_eq!((new.sequence, new.state.as_ref()), (owed.sequence, Some(&owed.to)), "not what was owed");
            assert_eq!(new.sequence, old.sequence + 1, "a gap in the numbers");
            assert!(self.deliveries.contains(owed), "{owed:?} was marked as published before it was delivered");
            assert!(!new.stalled || owed.kind == Kind::Stalled, "{new:?} has stalled without a stall");
        }
        if let Some(owed) = &new.owed {
            assert_eq!((owed.sequence, &owed.from), (new.sequence + 1, &new.state), "owed out of order");
            let first = self.owed.get(&owed.sequence);
            assert!(first.is_none_or(|first| first == owed), "{owed:?} has the number of {first:?}");
            let is_new = old.owed.as_ref() != Some(owed) && store == Store::Ledger;
            let is_not_found = owed.to.as_str() == "NOT_FOUND";
            assert!(!is_new || !is_not_found || self.has_been_missing(), "NOT_FOUND after a few misses");
        }
    }
}

/// Writes an item if it has the expected version. Otherwise, returns the current item.
pub(super) fn write_item(item: &mut Option<Item>, new: &Item, expected: Option<u64>) -> Result<(), Box<Option<Item>>> {
    let current = item.as_ref().map(|item| item.version);
    if current != expected {
        return Err(Box::new(item.clone()));
    }
    let is_only_renamed = item.as_ref().is_some_and(|item| *item == Item { name: item.name.clone(), ..new.clone() });
    assert!(is_only_renamed || new.version == current.unwrap_or_default() + 1, "each write counts the version");
    *item = Some(new.clone());
    Ok(())
}
