//! Everything outside the function: the imports, how often calls go wrong, and what has happened.

use std::{
    cell::RefCell,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use fastrand::Rng;
use tokio::{task::JoinHandle, time::Instant};
use workspaces_image_import::{
    import::{Checkpoint, ImageId, ImageName, Record, State},
    services::Item,
    time_budget::Clock,
};

use super::{
    import::{DescribeAnswer, Omitted, SimulatedImport, is_settled},
    scenarios,
    services::clock,
};
use crate::support::image;

/// The states of simulated imports. `None` means that the image does not exist.
const STATES: [Option<&str>; 7] =
    [Some("PENDING"), Some("VALIDATING"), Some("PUBLISHING"), Some("ERROR"), Some("NEW"), None, Some("COMPLETED")];

/// Where checkpoints are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// In the ledger. The schedule sends the same event each time.
    Ledger,
    /// In the payload, which the workflow sends back. There is no ledger.
    Payload,
    /// In the payload and in the ledger, which a schedule uses, too.
    Both,
}

/// What happened, line by line.
pub(super) type Trace = Rc<RefCell<Vec<String>>>;

/// An image that was not made by an import. WorkSpaces lists it for a while.
#[derive(Debug)]
pub(super) struct OtherImage {
    pub(super) is_listed: bool,
    /// The ledger's item.
    pub(super) item: Option<Item>,
}

/// Everything outside the function.
#[derive(Debug)]
pub(super) struct World {
    pub(super) imports: BTreeMap<ImageId, SimulatedImport>,
    /// The images that were not made by an import.
    pub(super) others: BTreeMap<ImageId, OtherImage>,
    /// Whether events discover imports.
    pub(super) discover: bool,
    /// How often the imports have moved on. Every fourth time, all images get other names.
    moves: u64,
    /// Whether events name imports. Those that discover imports mostly name none.
    names_imports: bool,
    /// The state that the first records start from, if any.
    start: Option<State>,
    pub(super) store: Store,
    /// How old the last update of a pending import may be. `None` turns stalls off.
    pub(super) stall_after: Option<Duration>,
    /// From now on, nothing fails anymore.
    pub(super) calm: bool,
    pub(super) rng: Rng,
    /// The probability that a call goes wrong.
    pub(super) trouble: f64,
    /// The time of day.
    pub(super) clock: Clock,
    began: Instant,
    /// Effects of calls that take place after the caller has stopped waiting.
    pub(super) late: Vec<JoinHandle<()>>,
    /// Present if a trace was requested.
    trace: Option<Trace>,
    /// What this run has covered.
    pub(super) covered: BTreeSet<&'static str>,
}

impl World {
    pub(super) fn new(store: Store, discover: bool, trace: Option<Trace>, rng: &mut Rng) -> Self {
        // More than ten imports need more than one publish call, and a response that has to be shortened.
        let count = if rng.f64() < 0.05 { rng.usize(11..26) } else { rng.usize(1..4) };
        let image_ids = (0..count).map(|number| ImageId::parse(&image(number)).expect("valid"));
        let others = (0..if discover { rng.usize(0..4) } else { 0 })
            .map(|number| ImageId::parse(&format!("{}other", image(number * 7))).expect("valid"));
        let start = if !discover && rng.f64() < 0.3 { State::parse("PENDING") } else { None };
        Self {
            imports: image_ids.map(|id| (id, SimulatedImport::new(start.clone(), rng.f64() < 0.05))).collect(),
            others: others.map(|id| (id, OtherImage { is_listed: true, item: None })).collect(),
            discover,
            moves: 0,
            names_imports: !discover || rng.f64() < 0.25,
            start,
            store,
            stall_after: (rng.f64() < 0.9).then_some(Duration::from_mins(30)),
            calm: false,
            trouble: rng.f64() * 0.5,
            rng: rng.fork(),
            clock: clock(),
            began: Instant::now(),
            late: Vec::new(),
            trace,
            covered: BTreeSet::new(),
        }
    }

    /// The records of the first event.
    pub(super) fn first_records(&self) -> Vec<Record> {
        if !self.names_imports {
            return Vec::new();
        }
        let checkpoint = Checkpoint { state: self.start.clone(), ..Checkpoint::default() };
        // Half of the runs send names.
        let is_named = self.imports.len().is_multiple_of(2);
        let name = |id: &ImageId| if is_named { self.name(id) } else { None };
        let record =
            |id: &ImageId| Record { name: name(id), checkpoint: checkpoint.clone(), ..Record::new(id.clone()) };
        let count = if self.discover { 1 } else { self.imports.len() };
        self.imports.keys().take(count).map(record).collect()
    }

    /// The name of an image by now.
    pub(super) fn name(&self, image_id: &ImageId) -> Option<ImageName> {
        ImageName::new(&format!("{image_id}, renamed {} times", self.moves / 4))
    }

    /// Whether this is a name that the image has had.
    pub(super) fn has_had(&self, image_id: &ImageId, name: &ImageName) -> bool {
        let number =
            name.as_str().strip_prefix(&format!("{image_id}, renamed ")).and_then(|rest| rest.split(' ').next());
        number.is_some_and(|number| number.parse::<u64>().is_ok_and(|number| number <= self.moves / 4))
    }

    /// From now on nothing fails, and descriptions are complete.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        for import in self.imports.values_mut() {
            import.omitted = Omitted::Nothing;
            import.malformed = false;
            import.corrupt = false;
        }
        self.others.values_mut().for_each(|other| other.is_listed = false);
    }

    pub(super) fn import(&mut self, image_id: &ImageId) -> &mut SimulatedImport {
        self.imports.get_mut(image_id).expect("an import of this world")
    }

    /// The answer to a describe call. The service knows no import for an image that was made in another way.
    pub(super) fn answer(&mut self, image_id: &ImageId) -> DescribeAnswer {
        if self.others.contains_key(image_id) { DescribeAnswer::NotFound } else { self.import(image_id).answer() }
    }

    /// Up to this many of the images that the service lists as pending, after the one with this ID.
    pub(super) fn pending_after(&self, last: Option<&ImageId>, limit: usize) -> Vec<ImageId> {
        let running = self.imports.iter().filter(|(_, import)| import.is_running()).map(|(id, _)| id);
        let others = self.others.iter().filter(|(_, other)| other.is_listed).map(|(id, _)| id);
        let pending: BTreeSet<&ImageId> =
            running.chain(others).filter(|id| last.is_none_or(|last| *id > last)).collect();
        pending.into_iter().take(limit).cloned().collect()
    }

    /// The ledger's item of an image.
    pub(super) fn item(&self, image_id: &ImageId) -> Option<&Item> {
        match self.others.get(image_id) {
            Some(other) => other.item.as_ref(),
            None => self.imports.get(image_id)?.item.as_ref(),
        }
    }

    /// Up to this many of the images whose items are not settled, or have failed, after the one with this ID. All
    /// failures are recent: a run takes less than a day.
    pub(super) fn unsettled_after(&self, last: Option<&ImageId>, limit: usize) -> Vec<ImageId> {
        let is_unsettled = |id: &ImageId| {
            let Some(Item { checkpoint, .. }) = self.item(id) else { return false };
            let state = checkpoint.state.as_ref().map(State::as_str);
            let has_failed = matches!(state, Some("ERROR" | "NOT_FOUND"));
            !is_settled(checkpoint) || has_failed && !checkpoint.listed
        };
        let images: BTreeSet<&ImageId> = self.imports.keys().chain(self.others.keys()).collect();
        let after = images.into_iter().filter(|id| last.is_none_or(|last| *id > last));
        after.filter(|id| is_unsettled(id)).take(limit).cloned().collect()
    }

    /// Moves some imports on: to any state, back, away, or back again. As in WorkSpaces, `COMPLETED` is final.
    pub(super) fn advance(&mut self, rng: &mut Rng) {
        self.moves += 1;
        self.others.values_mut().for_each(|other| other.is_listed = rng.f64() < 0.7);
        for import in self.imports.values_mut() {
            import.age = if rng.f64() < 0.2 { 60 } else { 0 };
            import.malformed = import.hopeless || rng.f64() < 0.1;
            import.corrupt = rng.f64() < 0.05;
            import.omitted = match rng.u8(0..20) {
                0 => Omitted::State,
                1 => Omitted::Time,
                _ => Omitted::Nothing,
            };
            if import.now() != Some("COMPLETED") && rng.f64() < 0.4 {
                import.states.push(STATES[rng.usize(..STATES.len())]);
                import.states.dedup();
            }
        }
    }

    /// Notes whether an event's records are ahead of the ledger or behind it.
    pub(super) fn compare_with_ledger(&mut self, records: &[Record]) {
        for record in records.iter().filter(|record| record.checkpoint.sequence > 0) {
            let item = self.imports[&record.image_id].item.as_ref();
            let sequence = item.map_or(0, |item| item.checkpoint.sequence);
            match record.checkpoint.sequence.cmp(&sequence) {
                Ordering::Greater => self.covered.insert(scenarios::PAYLOAD_AHEAD),
                Ordering::Less => self.covered.insert(scenarios::PAYLOAD_BEHIND),
                Ordering::Equal => true,
            };
        }
    }

    /// Adds a line to the trace, if one was requested.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(format!("{:>9} ms  {}", self.began.elapsed().as_millis(), what()));
        }
    }
}
