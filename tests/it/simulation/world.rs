//! What is true, and what each service holds.

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use workspaces_image_import::import::Memory;

/// States that an import may be in; `None`: the image is not there.
const STATES: [Option<&str>; 7] =
    [Some("PENDING"), Some("VALIDATING"), Some("PUBLISHING"), Some("ERROR"), Some("NEW"), None, Some("COMPLETED")];

/// One delivery to the topic's subscribers.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) image_id: String,
    pub(super) sequence: u64,
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) to: String,
}

/// An import as it really is.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Every state that it has been in, the last one now.
    pub(super) history: Vec<Option<&'static str>>,
    /// When it was last updated, in minutes before now.
    pub(super) age: u64,
}

/// Everything outside the function.
#[derive(Debug)]
pub(super) struct World {
    pub(super) truths: BTreeMap<String, Truth>,
    pub(super) ledger: HashMap<String, Memory>,
    pub(super) deliveries: Vec<Delivery>,
    /// Every announcement that the ledger has ever owed.
    pub(super) ever_owed: Vec<(String, String)>,
    /// How often an image was looked for and not found.
    pub(super) not_found: HashMap<String, u64>,
    /// Nothing fails any more.
    pub(super) calm: bool,
    /// There is no ledger.
    pub(super) payload_only: bool,
    pub(super) rng: Rng,
    /// How likely a call is to go wrong.
    pub(super) trouble: f64,
}

impl World {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let truth = |_| Truth { history: vec![Some("PENDING")], age: 0 };
        Self {
            truths: (0..rng.usize(1..4)).map(|number| (crate::support::image(number), truth(number))).collect(),
            ledger: HashMap::new(),
            deliveries: Vec::new(),
            ever_owed: Vec::new(),
            not_found: HashMap::new(),
            calm: false,
            payload_only: false,
            trouble: rng.f64() * 0.5,
            rng: rng.fork(),
        }
    }

    pub(super) fn image_ids(&self) -> impl Iterator<Item = String> {
        self.truths.keys().cloned().collect::<Vec<_>>().into_iter()
    }

    /// Some imports move on: jump, go back, vanish, return. What is complete stays so, as with WorkSpaces.
    pub(super) fn advance(&mut self, rng: &mut Rng) {
        for truth in self.truths.values_mut() {
            truth.age = if rng.f64() < 0.2 { 60 } else { 0 };
            let now = *truth.history.last().expect("a state");
            if now != Some("COMPLETED") && rng.f64() < 0.4 {
                truth.history.push(STATES[rng.usize(..STATES.len())]);
                truth.history.dedup();
            }
        }
    }

    /// SNS has taken a message.
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        self.check_delivery(&delivery);
        self.deliveries.push(delivery);
    }

    /// DynamoDB takes a write, if its condition holds; else it answers with the item that stands.
    pub(super) fn write(&mut self, image_id: &str, new: &Memory, read: Option<&Memory>) -> Result<(), Option<Memory>> {
        let item = self.ledger.get(image_id);
        let same = |item: &Memory, read: &Memory| item.sequence == read.sequence && item.owed == read.owed;
        let holds = match (item, read) {
            (None, None) => true,
            (Some(item), Some(read)) => same(item, read),
            _ => false,
        };
        if !holds {
            return Err(item.cloned());
        }
        self.check_write(image_id, new);
        self.ever_owed.extend(new.owed.as_ref().map(|owed| (image_id.to_owned(), owed.id(image_id))));
        self.ledger.insert(image_id.to_owned(), new.clone());
        Ok(())
    }
}
