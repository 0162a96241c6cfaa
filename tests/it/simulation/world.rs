//! Everything outside the function: the imports, the weather, and what happened.

use std::collections::BTreeMap;

use fastrand::Rng;
use tokio::{task::JoinHandle, time::Instant};

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
    /// What happened, in order, where anyone wants to know.
    pub(super) trace: Option<Vec<String>>,
    /// What has come to pass at least once: a simulation in which nothing happens finds nothing.
    pub(super) sights: BTreeMap<&'static str, u64>,
}

impl World {
    pub(super) fn new(memories: Memories, traced: bool, rng: &mut Rng) -> Self {
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
            trace: traced.then(Vec::new),
            sights: BTreeMap::new(),
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

    /// Keeps a line of what happened.
    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9} ms  {}", self.began.elapsed().as_millis(), what()));
        }
    }

    pub(super) fn saw(&mut self, what: &'static str) {
        *self.sights.entry(what).or_default() += 1;
    }
}
