//! What holds at every step, and at the end.

use std::collections::HashSet;

use workspaces_image_import::{
    import::{Memory, Record, State},
    tracker::Checked,
};

use super::world::{Delivery, Truth, World};

impl World {
    /// With the ledger a number names one announcement for ever, and first deliveries come in order of number.
    pub(super) fn check_delivery(&self, delivery: &Delivery) {
        assert_eq!(delivery.id.split('#').next(), Some(delivery.image_id.as_str()));
        let not_found = self.not_found.get(&delivery.image_id).copied().unwrap_or_default();
        assert!(delivery.to != "NOT_FOUND" || not_found >= 2, "gone after one look");
        if self.payload_only {
            return;
        }
        let of_image = || self.deliveries.iter().filter(|earlier| earlier.image_id == delivery.image_id);
        if let Some(earlier) = of_image().find(|earlier| earlier.sequence == delivery.sequence) {
            assert_eq!(earlier.id, delivery.id, "a number names one announcement for ever");
        } else {
            let last = of_image().map(|earlier| earlier.sequence).max().unwrap_or(0);
            assert_eq!(delivery.sequence, last + 1, "first deliveries come in order, without gaps");
        }
        let owed = (delivery.image_id.clone(), delivery.id.clone());
        assert!(self.ever_owed.contains(&owed), "{} was published before it was owed", delivery.id);
    }

    /// The ledger never goes backwards, and settles only what was delivered.
    pub(super) fn check_write(&self, image_id: &str, new: &Memory) {
        let before = self.ledger.get(image_id).map_or(0, |item| item.sequence);
        assert!(new.sequence >= before, "the ledger goes backwards");
        if new.sequence > before {
            assert!(self.is_delivered(image_id, new.sequence), "settled before it was published");
        }
    }

    fn is_delivered(&self, image_id: &str, sequence: u64) -> bool {
        self.deliveries.iter().any(|delivery| delivery.image_id == image_id && delivery.sequence == sequence)
    }

    /// A response agrees with what was announced.
    pub(super) fn agrees_with(&self, checked: &Checked) {
        for announced in &checked.announced {
            let id = announced.transition.id(&announced.image_id);
            assert!(self.deliveries.iter().any(|delivery| delivery.id == id), "{id} was not delivered");
        }
        for record in &checked.records {
            let memory = &record.memory;
            let owed = memory.owed.as_ref().filter(|_| !self.payload_only && record.check_error.is_none());
            if let Some(owed) = owed {
                let owed = (record.image_id.clone(), owed.id(&record.image_id));
                assert!(self.ever_owed.contains(&owed), "{owed:?}: the ledger never owed it");
            }
            let delivered = |delivery: &&Delivery| {
                delivery.image_id == record.image_id
                    && delivery.sequence == memory.sequence
                    && memory.state.as_ref().is_some_and(|state| state.as_str() == delivery.to)
            };
            assert!(
                memory.sequence == 0 || self.deliveries.iter().any(|delivery| delivered(&delivery)),
                "{} says {:?} of number {}, which nobody was told",
                record.image_id,
                memory.state,
                memory.sequence
            );
        }
    }

    /// Every announcement that was ever owed has gone out.
    pub(super) fn nothing_is_owed(&self) {
        for (image_id, id) in &self.ever_owed {
            assert!(
                self.deliveries.iter().any(|delivery| delivery.id == *id),
                "{id} of {image_id} was owed and is lost"
            );
        }
        assert!(self.ledger.values().all(|item| item.owed.is_none()), "something is still owed");
    }

    /// What was announced of each import, repeats dropped, is a part of its true history in order, and ends where it
    /// ended.
    pub(super) fn has_come_to_its_end(&self) {
        for (image_id, truth) in &self.truths {
            let mut seen = HashSet::new();
            let announced: Vec<&str> = self
                .deliveries
                .iter()
                .filter(|delivery| delivery.image_id == *image_id && delivery.kind == "STATE_CHANGED")
                .filter(|delivery| seen.insert(delivery.id.clone()))
                .map(|delivery| delivery.to.as_str())
                .collect();
            assert_eq!(announced.last().copied(), Some(truth.ends_in()), "{image_id}: {announced:?} of {truth:?}");
            let mut history = truth.history.iter().map(|state| state.unwrap_or("NOT_FOUND"));
            for state in &announced {
                assert!(history.any(|real| real == *state), "{image_id}: {announced:?} of {truth:?}");
            }
        }
    }

    /// With the payload alone messages of a crashed invocation may come late; the records end where the imports did,
    /// and that was announced.
    pub(super) fn says_what_is_true(&self, records: &[Record]) {
        for record in records {
            let end = self.truths[&record.image_id].ends_in();
            let state = record.memory.state.as_ref().map(State::as_str);
            assert_eq!(state, Some(end), "{record:?}");
            let told = |delivery: &Delivery| delivery.image_id == record.image_id && delivery.to == end;
            assert!(self.deliveries.iter().any(told), "{record:?}");
        }
    }
}

impl Truth {
    fn ends_in(&self) -> &'static str {
        self.history.last().copied().flatten().unwrap_or("NOT_FOUND")
    }
}
