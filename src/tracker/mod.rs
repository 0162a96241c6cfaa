//! The flow, one function for each step. [`Tracker::check`] shows it from top to bottom.

mod discovery;
mod tracked_import;

use std::{
    collections::{BTreeMap, VecDeque},
    pin::pin,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use self::{
    discovery::DiscoverOutcome,
    tracked_import::{Stage, TrackedImport, first_error, version},
};
use crate::{
    error::{CallError, Error, Service},
    event::Event,
    import::{Announcement, CheckError, ImageId, ImageName, Outcome, Record, Timestamp},
    message::{Draft, Message, Origin, into_batches},
    services::{DescribeOutcome, Item, Services, Write, WriteOutcome},
    time_budget::{Clock, TimeBudget},
};

/// The most batches of one wave of announcements. If Lambda ends the invocation during a wave, the next one repeats it,
/// so it must be short.
const MAX_BATCHES: usize = 4;

/// Checks imports and announces what it finds.
#[derive(Clone, Debug)]
pub struct Tracker<S> {
    /// The services that it calls.
    pub services: S,
    /// The number of concurrent calls.
    pub concurrency: usize,
    /// How old the last update of a pending import may be. `None` turns stalls off.
    pub stall_after: Option<Duration>,
    /// Whether HTTPS subscribers get chat notifications instead of the JSON.
    pub chat: bool,
    /// The maximum number of records per event and per response.
    pub max_records: usize,
}

/// What belongs to one invocation.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time of day.
    pub clock: Clock,
    /// The deadlines of the steps.
    pub budget: TimeBudget,
    /// The account and the Region of the imports.
    pub origin: Origin,
}

/// The result of checking the imports of one event.
#[derive(Clone, Debug, Default)]
pub struct CheckOutcome {
    /// All records, in the event's order, and after them those that were discovered.
    pub records: Vec<Record>,
    /// What was announced, in the event's order.
    pub announced: Vec<Announcement>,
    /// How many records were not checked because the time ran out.
    pub unchecked: usize,
    /// The number of imports for which a describe call was sent, successful or not.
    pub described: usize,
    /// The number of records for which a read, describe, publish or write failed.
    pub check_errors: usize,
    /// How many discovered images were left for the next check.
    pub undiscovered: usize,
    /// Why discovery is incomplete.
    pub discover_error: Option<CheckError>,
    /// The progress of the imports that are running or have just settled.
    pub progress: Vec<Progress>,
    /// How long the imports took whose end was announced, in seconds.
    pub durations: Vec<u64>,
}

/// The progress of one import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The image that is being imported.
    pub image_id: ImageId,
    /// In percent, 0 to 100.
    pub percentage: i32,
}

impl<S: Services> Tracker<S> {
    /// Checks the imports of an event and announces what is due.
    ///
    /// # Errors
    /// Section "Errors" of the contract lists the cases. Every other failure is in the `CheckError` of its record.
    pub async fn check(&self, event: Event, context: &Context) -> Result<CheckOutcome, Error> {
        let DiscoverOutcome { records, discovered, names, undiscovered, error } = self.discover(event, context).await;
        let mut imports = self.recall(records, discovered, names, context.budget.recall_until).await?;
        let descriptions = self.describe(&mut imports, context).await;
        let discover_error = error.as_ref().map(CallError::to_check_error);
        if let Some(error) = error
            && imports.iter().all(TrackedImport::is_left_out)
        {
            return Err(Error::Call(error));
        }
        self.write_owed(&mut imports, context).await?;
        self.announce(&mut imports, context).await?;
        self.write_names(&imports, context).await;
        descriptions.require_use(&imports)?;
        Ok(CheckOutcome { described: descriptions.sent, undiscovered, discover_error, ..collect(imports) })
    }

    /// Reads the ledger's items and combines them with the records.
    async fn recall(
        &self,
        records: Vec<Record>,
        discovered: Vec<Record>,
        mut names: BTreeMap<ImageId, ImageName>,
        deadline: Instant,
    ) -> Result<Vec<TrackedImport>, Error> {
        let image_ids: Vec<&ImageId> = records.iter().chain(&discovered).map(|record| &record.image_id).collect();
        let mut items = self.services.read_items(&image_ids, deadline).await;
        let mut imports = Vec::with_capacity(image_ids.len());
        for (records, is_discovered) in [(records, false), (discovered, true)] {
            for record in records {
                let item = items.remove(&record.image_id);
                let listed_name = names.remove(&record.image_id);
                imports.push(TrackedImport::recall(record, item, listed_name, is_discovered));
            }
        }
        // So far, only a failed read stops an import.
        let all_failed = imports.iter().all(|import| import.stage == Stage::Stopped);
        if all_failed {
            fail_if_any(&imports, Service::DynamoDb)?;
        }
        Ok(imports)
    }

    /// Describes every import that needs a check and compares it with its record, which then owes what is due.
    async fn describe(&self, imports: &mut [TrackedImport], context: &Context) -> DescribeCounts {
        let mut order: Vec<usize> = (0..imports.len()).filter(|&i| imports[i].stage == Stage::Open).collect();
        let mut descriptions = DescribeCounts { due: order.len(), ..DescribeCounts::default() };
        if order.is_empty() {
            return descriptions;
        }
        // A random start, so that a deadline does not leave out the same records every time.
        let first = fastrand::usize(..order.len());
        order.rotate_left(first);
        let ids: Vec<ImageId> = order.iter().map(|&index| imports[index].record.image_id.clone()).collect();
        let deadline = context.budget.describe_until;
        let describing = stream::iter(order.into_iter().zip(&ids))
            .map(|(index, id)| async move { (index, self.services.describe(id, deadline).await) });
        let mut describing = pin!(describing.buffer_unordered(self.concurrency));
        while let Some((index, outcome)) = describing.next().await {
            let import = &mut imports[index];
            match outcome {
                DescribeOutcome::Observed(observation) => {
                    descriptions.sent += 1;
                    descriptions.succeeded += 1;
                    import.observe(observation, context.clock.now(), self.stall_after);
                }
                DescribeOutcome::Failed(error) => {
                    descriptions.sent += 1;
                    import.fail("describe failed", error);
                }
                DescribeOutcome::NotSent(why) => import.not_sent = Some(why),
            }
        }
        descriptions
    }

    /// The first half of the outbox: writes what has changed to the ledger, above all what is owed, before any of it is
    /// published.
    async fn write_owed(&self, imports: &mut [TrackedImport], context: &Context) -> Result<(), Error> {
        let deadline = context.budget.record_until;
        let Writes { due, failed } = self.write(imports, context, deadline, TrackedImport::needs_write).await;
        // If items had to be written and none could be, the ledger is unusable.
        if due > 0 && failed == due { fail_if_any(imports, Service::DynamoDb) } else { Ok(()) }
    }

    /// Publishes what is owed, and marks in the ledger what SNS has accepted, wave by wave: if Lambda ends the
    /// invocation, only the last wave is announced again. The first wave is small and shows how long one takes. No wave
    /// starts that would not end in time.
    async fn announce(&self, imports: &mut [TrackedImport], context: &Context) -> Result<(), Error> {
        let observed_at = context.clock.now();
        let mut owing = Vec::new();
        for (index, import) in imports.iter().enumerate() {
            if let Some(owed) = import.owed() {
                let record = &import.record;
                owing.push((index, Announcement::new(record.image_id.clone(), record.name.clone(), owed.clone())));
            }
        }
        let mut owing = VecDeque::from(owing);
        let has_owing = !owing.is_empty();
        let (mut batches, mut longest, mut accepted) = (1, Duration::ZERO, 0);
        loop {
            let begun = Instant::now();
            if owing.is_empty() || begun >= context.budget.announce_until || begun + longest > context.budget.mark_until
            {
                break;
            }
            let wave = self.build_wave(&owing, imports, context, observed_at, batches);
            if wave.is_empty() {
                break;
            }
            let results = stream::iter(&wave)
                .map(|batch| self.services.publish(batch, context.budget.announce_until))
                .buffered(self.concurrency);
            let results: Vec<Vec<Result<(), CallError>>> = results.collect().await;
            for result in results.into_iter().flatten() {
                let Some((index, announcement)) = owing.pop_front() else { break };
                match result {
                    Ok(()) => {
                        accepted += 1;
                        imports[index].mark_announced(announcement);
                    }
                    Err(error) => imports[index].fail("publish failed", error),
                }
            }
            self.mark_published(imports, context).await;
            longest = longest.max(begun.elapsed());
            batches = (batches * 2).min(MAX_BATCHES);
        }
        if !owing.is_empty() {
            tracing::warn!(Announcements = owing.len(), "no time was left to publish");
        }
        for (index, _) in owing {
            imports[index].fail_unlogged(CallError::late(Service::Sns));
        }
        // A transient error does not fail the invocation: its response carries what is owed.
        let is_permanent = first_error(imports, Service::Sns).is_some_and(|error| !error.transient);
        if has_owing && accepted == 0 && is_permanent { fail_if_any(imports, Service::Sns) } else { Ok(()) }
    }

    /// Builds the messages of the next wave, as long as there is time to publish them.
    fn build_wave(
        &self,
        owing: &VecDeque<(usize, Announcement)>,
        imports: &[TrackedImport],
        context: &Context,
        observed_at: Timestamp,
        batches: usize,
    ) -> Vec<Vec<Message>> {
        let in_time = |_: &_| Instant::now() < context.budget.announce_until;
        let messages = owing.iter().take_while(in_time).map(|(index, announcement)| {
            let import = &imports[*index];
            let draft = Draft {
                announcement,
                description: import.record.description.as_ref(),
                current: import.current.as_ref(),
                truncated: import.record.truncated,
                origin: &context.origin,
                observed_at,
                chat: self.chat,
            };
            draft.message()
        });
        into_batches(messages).take(batches).collect()
    }

    /// The second half of the outbox: writes to the ledger what SNS has accepted. If that fails, the record gets a
    /// `CheckError`, and a later check that uses the item announces it again under the same ID.
    async fn mark_published(&self, imports: &mut [TrackedImport], context: &Context) {
        self.write(imports, context, context.budget.mark_until, TrackedImport::needs_mark).await;
    }

    /// Writes names that have changed to the ledger. Names are for people, so a write that fails changes nothing else,
    /// and the next discovery repeats it.
    async fn write_names(&self, imports: &[TrackedImport], context: &Context) {
        let at = context.clock.now();
        let renamed = imports.iter().filter_map(|import| Some((import, import.renamed_item()?)));
        let mut outcomes = stream::iter(renamed)
            .map(|(import, item)| async move {
                let write = Write { image_id: &import.record.image_id, item: &item, expected: Some(item.version), at };
                (import, self.services.write_item(write, context.budget.mark_until).await)
            })
            .buffer_unordered(self.concurrency);
        while let Some((import, outcome)) = outcomes.next().await {
            if let WriteOutcome::Failed(error) = outcome {
                import.log("ledger write failed", &error);
            }
        }
    }

    /// Writes the checkpoint of each import that `is_due`. If a write fails or is lost to another invocation, this
    /// invocation does nothing more for that import.
    async fn write(
        &self,
        imports: &mut [TrackedImport],
        context: &Context,
        deadline: Instant,
        is_due: impl Fn(&TrackedImport) -> bool,
    ) -> Writes {
        let at = context.clock.now();
        let due = imports.iter().enumerate().filter(|(_, import)| is_due(import));
        let outcomes: Vec<(usize, Item, WriteOutcome)> = stream::iter(due)
            .map(|(index, TrackedImport { record, item: known, .. })| async move {
                let item = Item::next(known.as_ref(), record.checkpoint.clone(), record.name.clone());
                let write = Write { image_id: &record.image_id, item: &item, expected: version(known.as_ref()), at };
                let outcome = self.services.write_item(write, deadline).await;
                (index, item, outcome)
            })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        let mut writes = Writes { due: outcomes.len(), failed: 0 };
        let mut not_sent = 0;
        for (index, item, outcome) in outcomes {
            let import = &mut imports[index];
            // Whatever becomes of a write, this invocation does not repeat it.
            import.is_unmarked = false;
            let result = match outcome {
                WriteOutcome::Written => {
                    import.item = Some(item);
                    Ok(())
                }
                WriteOutcome::NoLedger => Ok(()),
                WriteOutcome::Lost(winner) => import.resolve_lost_write(winner),
                WriteOutcome::Failed(error) => Err(error),
                WriteOutcome::NotSent => {
                    not_sent += 1;
                    writes.failed += 1;
                    import.fail_unlogged(CallError::late(Service::DynamoDb));
                    import.stage = Stage::Stopped;
                    Ok(())
                }
            };
            if let Err(error) = result {
                writes.failed += 1;
                import.stop("ledger write failed", error);
            }
        }
        if not_sent > 0 {
            tracing::warn!(Writes = not_sent, "no time was left to write to the ledger");
        }
        writes
    }
}

/// What became of describing the imports of an event.
#[derive(Clone, Copy, Debug, Default)]
struct DescribeCounts {
    /// How many imports had to be described.
    due: usize,
    /// How many calls were sent.
    sent: usize,
    succeeded: usize,
}

impl DescribeCounts {
    /// Fails an invocation that learned nothing and announced nothing. The outcome of a settled record is worth a
    /// response.
    ///
    /// # Errors
    /// The first error of WorkSpaces, in the event's order, or [`Error::Deadline`] if no call was sent.
    fn require_use(self, imports: &[TrackedImport]) -> Result<(), Error> {
        let is_useful =
            |import: &TrackedImport| import.announced.is_some() || import.record.outcome() != Outcome::Pending;
        if self.due == 0 || self.succeeded > 0 || imports.iter().any(is_useful) {
            return Ok(());
        }
        match imports.iter().find_map(|import| import.not_sent) {
            Some(why) if self.sent == 0 => Err(Error::Deadline(why)),
            _ => fail_if_any(imports, Service::WorkSpaces),
        }
    }
}

/// How many ledger writes were due, and how many of them failed.
#[derive(Clone, Copy, Debug)]
struct Writes {
    due: usize,
    failed: usize,
}

/// Fails the invocation with the first error of a service's calls, in the event's order, if there is one.
///
/// # Errors
/// That error.
fn fail_if_any(imports: &[TrackedImport], service: Service) -> Result<(), Error> {
    match first_error(imports, service) {
        Some(error) => Err(Error::Call(error.clone())),
        None => Ok(()),
    }
}

/// Collects the results of all imports.
fn collect(imports: Vec<TrackedImport>) -> CheckOutcome {
    let mut outcome = CheckOutcome::default();
    for import in imports {
        if import.is_left_out() {
            continue;
        }
        outcome.unchecked += usize::from(import.not_sent.is_some());
        outcome.check_errors += usize::from(!import.errors.is_empty());
        let is_running = import.record.outcome() == Outcome::Pending;
        if let Some(percentage) = import.percentage
            && (is_running || import.announced.is_some())
        {
            outcome.progress.push(Progress { image_id: import.record.image_id.clone(), percentage });
        }
        outcome.durations.extend(import.duration_seconds);
        outcome.announced.extend(import.announced);
        outcome.records.push(import.record);
    }
    outcome
}

#[cfg(test)]
mod tests;
