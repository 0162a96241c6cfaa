//! The flow: discover, recall, describe and compare, record what is owed, announce, mark as published.
//! [`Tracker::check`] shows it from top to bottom.

mod discovery;
mod tracked_import;

use std::{iter, pin::pin, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use self::{
    discovery::Discovered,
    tracked_import::{Stage, TrackedImport, fail_if, first_error},
};
use crate::{
    announcement::{Announce, Announcement, Origin, into_batches},
    clock::Clock,
    error::{CallError, Error, NotSent, Service},
    event::Event,
    import::{CarriedDescription, CheckError, ImageId, Outcome, Record, Timestamp, Transition, TransitionId},
    ledger::{Ledger, Write, WriteOutcome},
    time_budget::TimeBudget,
    workspaces::{DescribeImport, DescribeOutcome, ListPendingImages},
};

/// Checks imports and announces what it finds, over four ports.
#[derive(Clone, Debug)]
pub struct Tracker<W, A, L, C> {
    /// Lists images and describes imports.
    pub workspaces: W,
    /// Publishes announcements.
    pub topic: A,
    /// Keeps checkpoints between invocations.
    pub ledger: L,
    /// Tells the time of day.
    pub clock: C,
    /// The number of concurrent calls.
    pub concurrency: usize,
    /// How old the last update of a pending import may be. `None` turns stalls off.
    pub stall_after: Option<Duration>,
    /// The account and the Region of the imports.
    pub origin: Origin,
    /// Whether HTTPS subscribers get chat notifications instead of the JSON.
    pub chat: bool,
    /// The maximum number of records per event and per response.
    pub max_records: usize,
}

/// The result of checking the imports of one event.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// All records, in the event's order, and after them those that were discovered.
    pub records: Vec<Record>,
    /// What was announced, in the event's order.
    pub announced: Vec<Announced>,
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
}

/// The progress of one import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The image that is being imported.
    pub image_id: ImageId,
    /// In percent, 0 to 100.
    pub percentage: i32,
}

/// An announcement that SNS has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The ID of the announcement.
    pub id: TransitionId,
    /// The image that is being imported.
    pub image_id: ImageId,
    /// The transition that was announced.
    pub transition: Transition,
}

impl<W: ListPendingImages + DescribeImport, A: Announce, L: Ledger, C: Clock> Tracker<W, A, L, C> {
    /// Checks the imports of an event and announces what is due.
    ///
    /// # Errors
    /// Section "Errors" of the contract lists the cases. Every other failure is in the `CheckError` of its record.
    pub async fn check(&self, event: Event, budget: &TimeBudget) -> Result<Checked, Error> {
        let Discovered { records, undiscovered, error } = self.discover(event, budget.discover_until).await;
        let mut imports = self.recall(records, budget.recall_until).await?;
        let described = self.describe(&mut imports, budget.describe_until).await?;
        let discover_error = error.as_ref().map(CallError::to_check_error);
        if let (true, Some(error)) = (imports.is_empty(), error) {
            return Err(Error::Call(error));
        }
        self.record_owed(&mut imports, budget.record_until).await?;
        self.announce(&mut imports, budget.announce_until).await?;
        self.mark_published(&mut imports, budget.mark_until).await;
        let checked = tracked_import::into_checked(imports, described);
        Ok(Checked { undiscovered, discover_error, ..checked })
    }

    /// Reads the ledger's items and combines them with the records.
    async fn recall(&self, records: Vec<Record>, deadline: Instant) -> Result<Vec<TrackedImport>, Error> {
        let image_ids: Vec<&ImageId> = records.iter().map(|record| &record.image_id).collect();
        let mut items = self.ledger.read(&image_ids, deadline).await;
        let recalled = |record: Record| {
            let item = items.remove(&record.image_id);
            TrackedImport::recalled(record, item.transpose())
        };
        let mut imports: Vec<TrackedImport> = records.into_iter().map(recalled).collect();
        // So far, only a failed read stops an import.
        let all_failed = imports.iter().all(|import| import.stage == Stage::Stopped);
        fail_if(all_failed, &mut imports, Service::DynamoDb)?;
        Ok(imports)
    }

    /// Describes every import that needs a check and compares it with its record, which then owes what is due. Removes
    /// images that are not imports. Returns how many calls were sent.
    async fn describe(&self, imports: &mut Vec<TrackedImport>, deadline: Instant) -> Result<usize, Error> {
        let mut order: Vec<usize> = (0..imports.len()).filter(|&i| imports[i].stage == Stage::Unchecked).collect();
        if order.is_empty() {
            return Ok(0);
        }
        // A random start, so that a deadline does not leave out the same records every time.
        let first = fastrand::usize(..order.len());
        order.rotate_left(first);
        let ids: Vec<ImageId> = order.iter().map(|&index| imports[index].record.image_id.clone()).collect();
        let describing = stream::iter(order.into_iter().zip(&ids))
            .map(|(index, id)| async move { (index, self.workspaces.describe(id, deadline).await) });
        let mut describing = pin!(describing.buffer_unordered(self.concurrency));

        let (mut sent, mut succeeded) = (0, 0);
        let mut not_sent: Option<(usize, NotSent)> = None;
        while let Some((index, outcome)) = describing.next().await {
            let import = &mut imports[index];
            match outcome {
                DescribeOutcome::Observed(observation) if import.was_made_in_another_way(&observation) => {
                    import.stage = Stage::NotAnImport;
                    sent += 1;
                    succeeded += 1;
                }
                DescribeOutcome::Observed(observation) => {
                    let now = Timestamp::from(self.clock.now());
                    import.percentage = observation.progress_percentage();
                    import.record.compare(&observation, now, self.stall_after);
                    import.stage = Stage::Checked;
                    sent += 1;
                    succeeded += 1;
                }
                DescribeOutcome::Failed(error) => {
                    import.fail("describe failed", error);
                    sent += 1;
                }
                DescribeOutcome::NotSent(why) => {
                    not_sent = not_sent.filter(|(first, _)| *first < index).or(Some((index, why)));
                }
            }
        }
        if let (0, Some((_, why))) = (sent, not_sent) {
            return Err(Error::Deadline(why));
        }
        imports.retain(|import| import.stage != Stage::NotAnImport);
        // The outcome of a settled record is worth a response.
        let useful = succeeded > 0 || imports.iter().any(|import| import.record.outcome() != Outcome::Pending);
        fail_if(!useful, imports, Service::WorkSpaces)?;
        Ok(sent)
    }

    /// The first half of the outbox: writes what has changed to the ledger, above all what is owed, before any of it is
    /// published.
    async fn record_owed(&self, imports: &mut [TrackedImport], deadline: Instant) -> Result<(), Error> {
        let Writes { due, failed } = self.write(imports, deadline, TrackedImport::needs_write).await;
        // If items had to be written and none could be, the ledger is unusable.
        fail_if(due > 0 && failed == due, imports, Service::DynamoDb)
    }

    /// Publishes what is owed, in as few calls as possible.
    async fn announce(&self, imports: &mut [TrackedImport], deadline: Instant) -> Result<(), Error> {
        let observed_at = Timestamp::from(self.clock.now());
        let owing: Vec<(usize, TransitionId)> = imports
            .iter()
            .enumerate()
            .filter_map(|(index, import)| Some((index, TransitionId::new(&import.record.image_id, import.owed()?))))
            .collect();
        // Building hundreds of messages that nobody sends would take longer than the margin before Lambda's deadline.
        let in_time = |_: &_| Instant::now() < deadline;
        let messages = owing.iter().take_while(in_time).filter_map(|(index, id)| {
            let import = &imports[*index];
            let announcement = Announcement {
                id,
                image_id: &import.record.image_id,
                transition: import.owed()?,
                description: import.record.description.as_ref().map(CarriedDescription::json),
                truncated: import.record.truncated,
                origin: &self.origin,
                observed_at,
                chat: self.chat,
            };
            Some(announcement.message())
        });
        let results: Vec<Vec<Result<(), CallError>>> = stream::iter(into_batches(messages))
            .map(|batch| async move { self.topic.publish(&batch, deadline).await })
            .buffered(self.concurrency)
            .collect()
            .await;

        let all_failed = !owing.is_empty() && results.iter().flatten().all(Result::is_err);
        let unsent = iter::repeat_with(|| Err(CallError::late(Service::Sns)));
        for ((index, id), result) in owing.into_iter().zip(results.into_iter().flatten().chain(unsent)) {
            match result {
                Ok(()) => imports[index].mark_announced(id),
                Err(error) => imports[index].fail("publish failed", error),
            }
        }
        // A transient error does not fail the invocation: its response carries what is owed.
        let is_permanent = first_error(imports, Service::Sns).is_some_and(|error| !error.transient);
        fail_if(all_failed && is_permanent, imports, Service::Sns)
    }

    /// The second half of the outbox: writes to the ledger what SNS has accepted. If that fails, the record gets a
    /// `CheckError`, and a later check that uses the item announces it again under the same ID.
    async fn mark_published(&self, imports: &mut [TrackedImport], deadline: Instant) {
        self.write(imports, deadline, |import| import.announced.is_some()).await;
    }

    /// Writes the checkpoint of each import that `is_due`. If a write fails or is lost to another invocation, this
    /// invocation does nothing more for that import.
    async fn write(
        &self,
        imports: &mut [TrackedImport],
        deadline: Instant,
        is_due: impl Fn(&TrackedImport) -> bool,
    ) -> Writes {
        let at = Timestamp::from(self.clock.now());
        let due = imports.iter().enumerate().filter(|(_, import)| is_due(import));
        let outcomes: Vec<(usize, WriteOutcome)> = stream::iter(due)
            .map(|(index, TrackedImport { record, item, .. })| async move {
                let expected = item.as_ref().map(|item| item.version);
                let write = Write { image_id: &record.image_id, checkpoint: &record.checkpoint, expected, at };
                (index, self.ledger.write(write, deadline).await)
            })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        let mut writes = Writes { due: outcomes.len(), failed: 0 };
        for (index, outcome) in outcomes {
            let written = match outcome {
                WriteOutcome::Written => {
                    imports[index].mark_written();
                    Ok(())
                }
                WriteOutcome::Lost(winner) => imports[index].resolve_lost_write(winner),
                WriteOutcome::Failed(error) => Err(error),
            };
            if let Err(error) = written {
                writes.failed += 1;
                imports[index].fail("ledger write failed", error);
            }
        }
        writes
    }
}

/// How many ledger writes were due, and how many of them failed.
#[derive(Clone, Copy, Debug)]
struct Writes {
    due: usize,
    failed: usize,
}

#[cfg(test)]
mod tests;
