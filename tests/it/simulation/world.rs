//! Everything outside the function: the imports, the weather, and what happened.

use std::{
    cell::RefCell,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use fastrand::Rng;
use tokio::{task::JoinHandle, time::Instant};
use workspaces_image_import::import::Record;

use super::import::Import;
use crate::support::image;

/// States that an import may be in; `None`: the image is not there.
const STATES: [Option<&str>; 7] =
    [Some("PENDING"), Some("VALIDATING"), Some("PUBLISHING"), Some("ERROR"), Some("NEW"), None, Some("COMPLETED")];

/// Where the function remembers imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memories {
    /// A fixed schedule sends the same payload each time.
    Ledger,
    /// The payload travels, and there is no ledger.
    Payload,
    /// The payload travels, and there is a ledger, which a schedule uses, too.
    Both,
}

/// What happened, line by line.
pub(super) type Trace = Rc<RefCell<Vec<String>>>;

/// Everything outside the function.
#[derive(Debug)]
pub(super) struct World {
    pub(super) imports: BTreeMap<String, Import>,
    pub(super) memories: Memories,
    /// Nothing fails any more.
    pub(super) calm: bool,
    pub(super) rng: Rng,
    /// How likely a call is to go wrong.
    pub(super) trouble: f64,
    pub(super) began: Instant,
    /// Effects that come later than anyone waits for them.
    pub(super) late: Vec<JoinHandle<()>>,
    /// Where anyone wants to know.
    trace: Option<Trace>,
    /// What has come to pass.
    pub(super) sights: BTreeSet<&'static str>,
}

impl World {
    pub(super) fn new(memories: Memories, trace: Option<Trace>, rng: &mut Rng) -> Self {
        // With more than ten there is more than one call to publish, and cutting the response to its size.
        let count = if rng.f64() < 0.015 { rng.usize(11..26) } else { rng.usize(1..4) };
        Self {
            imports: (0..count).map(|number| (image(number), Import::new())).collect(),
            memories,
            calm: false,
            trouble: rng.f64() * 0.5,
            rng: rng.fork(),
            began: Instant::now(),
            late: Vec::new(),
            trace,
            sights: BTreeSet::new(),
        }
    }

    pub(super) fn image_ids(&self) -> impl Iterator<Item = String> {
        self.imports.keys().cloned().collect::<Vec<_>>().into_iter()
    }

    pub(super) fn import(&mut self, image_id: &str) -> &mut Import {
        self.imports.get_mut(image_id).expect("an image of this world")
    }

    /// Some imports move on: jump, go back, vanish, return. What is complete stays so, as with WorkSpaces.
    pub(super) fn advance(&mut self, rng: &mut Rng) {
        for import in self.imports.values_mut() {
            import.age = if rng.f64() < 0.2 { 60 } else { 0 };
            if import.now() != Some("COMPLETED") && rng.f64() < 0.4 {
                import.history.push(STATES[rng.usize(..STATES.len())]);
                import.history.dedup();
            }
        }
    }

    /// Looks whether what an event brings is older or newer than what the ledger holds.
    pub(super) fn compare(&mut self, records: &[Record]) {
        for record in records.iter().filter(|record| record.memory.sequence > 0) {
            let item = self.imports[&record.image_id].item.as_ref().map_or(0, |item| item.sequence);
            match record.memory.sequence.cmp(&item) {
                Ordering::Greater => self.sights.insert("a payload ahead of its ledger"),
                Ordering::Less => self.sights.insert("a payload behind its ledger"),
                Ordering::Equal => true,
            };
        }
    }

    /// Keeps a line of what happened.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(format!("{:>9} ms  {}", self.began.elapsed().as_millis(), what()));
        }
    }
}
