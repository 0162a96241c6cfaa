//! One import: what is true of it, what the ledger holds of it, and what subscribers were told. Each thing that
//! happens to it is checked against what happened before.

use std::collections::BTreeMap;

use serde::Deserialize;
use workspaces_image_import::import::{Kind, Memory, State, Transition};

use super::{line::Line, world::Memories};

/// One import, as all of the world but the function sees it.
#[derive(Debug)]
pub(super) struct Import {
    /// Every state that it has been in, the last one now; `None`: the image was not there.
    pub(super) history: Vec<Option<&'static str>>,
    /// When it was last updated, in minutes before now.
    pub(super) age: u64,
    /// What the function was answered when it had it described.
    pub(super) answers: Vec<Answer>,
    /// The ledger's item.
    pub(super) item: Option<Memory>,
    /// Every announcement that the ledger has ever owed, by its number.
    pub(super) owed: BTreeMap<u64, Transition>,
    /// Everything that SNS has delivered, repeats included.
    pub(super) deliveries: Vec<Transition>,
    /// What was announced, repeats dropped.
    pub(super) line: Line,
}

/// One answer to a describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// `None`: not found.
    pub(super) state: Option<&'static str>,
    /// In minutes.
    pub(super) age: u64,
}

/// What a subscriber reads in a message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delivery {
    pub(super) image_id: String,
    pub(super) transition_id: String,
    kind: Kind,
    sequence: u64,
    from: Option<State>,
    to: State,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    First,
    Again,
}

/// A state, as announcements spell it.
pub(super) fn spelt(state: Option<&'static str>) -> &'static str {
    state.unwrap_or("NOT_FOUND")
}

impl Import {
    pub(super) fn new() -> Self {
        Self {
            history: vec![Some("PENDING")],
            age: 0,
            answers: Vec::new(),
            item: None,
            owed: BTreeMap::new(),
            deliveries: Vec::new(),
            line: Line::default(),
        }
    }

    pub(super) fn now(&self) -> Option<&'static str> {
        self.history.last().copied().flatten()
    }

    /// SNS has taken a message. With a ledger it was owed before, a number names one announcement for ever, and first
    /// deliveries come in order of number.
    pub(super) fn deliver(&mut self, delivery: Delivery, memories: Memories) -> Delivered {
        let Delivery { image_id, transition_id, kind, sequence, from, to } = delivery;
        let transition = Transition { kind, sequence, from, to };
        let what = if transition.kind == Kind::Stalled { "STALLED" } else { transition.to.as_str() };
        assert_eq!(transition_id, format!("{image_id}#{}:{what}", transition.sequence));
        let occurred = self.history.iter().any(|state| spelt(*state) == transition.to.as_str());
        assert!(occurred, "{transition_id} was never so: {:?}", self.history);
        let not_found = self.answers.iter().filter(|answer| answer.state.is_none()).count();
        assert!(transition.to.as_str() != "NOT_FOUND" || not_found >= 2, "gone after one look");
        if memories != Memories::Payload {
            let owed = self.owed.get(&transition.sequence);
            assert_eq!(owed, Some(&transition), "{transition_id} was published before it was owed");
            match self.line.told(transition.sequence) {
                Some(earlier) => assert_eq!(*earlier, transition, "a number names one announcement for ever"),
                None => self.line.follow(&transition, &self.history, &self.answers),
            }
        }
        let delivered = if self.deliveries.contains(&transition) { Delivered::Again } else { Delivered::First };
        self.deliveries.push(transition);
        delivered
    }

    /// DynamoDB takes a write, if its condition holds; else it answers with the item that stands.
    pub(super) fn write(
        &mut self,
        new: &Memory,
        read: Option<&Memory>,
        memories: Memories,
    ) -> Result<(), Option<Memory>> {
        let condition = |memory: &Memory| (memory.sequence, memory.owed.clone());
        if self.item.as_ref().map(condition) != read.map(condition) {
            return Err(self.item.clone());
        }
        self.check_write(new, memories);
        self.item = Some(new.clone());
        self.owed.extend(new.owed.clone().map(|owed| (owed.sequence, owed)));
        Ok(())
    }

    /// The ledger never goes backwards, forgets nothing that it owes, and crosses off only what was delivered.
    fn check_write(&self, new: &Memory, memories: Memories) {
        let old = self.item.clone().unwrap_or_default();
        if new.sequence == old.sequence {
            assert_eq!(new.state, old.state, "a state moves only with its number");
            assert!(old.owed.is_none() || new.owed == old.owed, "{:?} is dropped for {new:?}", old.owed);
        } else {
            let owed = old.owed.as_ref().unwrap_or_else(|| panic!("{new:?}, and {old:?} owed nothing"));
            assert_eq!((new.sequence, new.state.as_ref()), (owed.sequence, Some(&owed.to)), "not what was owed");
            assert_eq!(new.sequence, old.sequence + 1, "numbers go one by one");
            assert!(self.deliveries.contains(owed), "{owed:?} was crossed off before it was published");
            // A payload may be ahead of the ledger by what could not be crossed off, and owe the next one already.
            if memories == Memories::Ledger {
                assert_eq!((&new.owed, new.stalled), (&None, owed.kind == Kind::Stalled), "more than was owed");
            }
        }
        if let Some(owed) = &new.owed {
            assert_eq!((owed.sequence, &owed.from), (new.sequence + 1, &new.state), "owed out of line");
            let first = self.owed.get(&owed.sequence);
            assert!(first.is_none_or(|first| first == owed), "{owed:?} has the number of {first:?}");
        }
    }
}
