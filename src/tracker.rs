//! The flow: recall, describe and compare, owe, announce, settle. It reads top to bottom in [`Tracker::check`].

mod import;

use std::{iter, pin::pin, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use self::import::{Import, Progress, into_checked, take_first_error, take_first_error_if};
use crate::{
    announcement::{Announce, Announcement, into_batches},
    clock::{Clock, Schedule},
    error::{CallError, Error, Service},
    import::{Record, Timestamp, Transition},
    in_time::{in_time, in_time_if_sent, late},
    ledger::{Ledger, Written},
    workspaces::DescribeImport,
};

/// Checks imports and announces what it finds, through three ports.
#[derive(Clone, Debug)]
pub struct Tracker<W, A, L, C> {
    /// Where imports are described.
    pub workspaces: W,
    /// Where transitions are announced.
    pub topic: A,
    /// Where records are remembered.
    pub ledger: L,
    /// Tells the time.
    pub clock: C,
    /// Calls under way at once.
    pub concurrency: usize,
    /// How old a pending import's last update may grow before that is a stall.
    pub stall_after: Option<Duration>,
    /// The region of the imports.
    pub region: String,
}

/// What a check of several imports came to.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Every record, in the event's order.
    pub records: Vec<Record>,
    /// What was announced, in the event's order.
    pub announced: Vec<Announced>,
    /// How many records the deadline left no time for.
    pub unchecked: usize,
    /// How many calls to describe an import were begun.
    pub described: usize,
    /// How many records have a check that did not work out.
    pub failed_checks: usize,
    /// How far imports are: those that are under way, or have settled just now.
    pub progressed: Vec<Progressed>,
}

/// How far an import is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progressed {
    /// The import.
    pub image_id: String,
    /// 0 to 100.
    pub percentage: i32,
}

/// An announcement that SNS has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The import.
    pub image_id: String,
    /// What was announced of it.
    pub transition: Transition,
}

impl<W: DescribeImport, A: Announce, L: Ledger, C: Clock> Tracker<W, A, L, C> {
    /// Checks these records and announces what is due.
    ///
    /// # Errors
    /// Only where nothing useful could be done; else each record tells its own.
    pub async fn check(&self, records: Vec<Record>, schedule: &Schedule) -> Result<Checked, Error> {
        let mut imports = self.recall(records, schedule.describe_until).await?;
        let described = self.describe(&mut imports, schedule.describe_until).await?;
        let mut writes = self.owe(&mut imports, schedule.owe_until).await;
        self.announce(&mut imports, schedule.announce_until).await?;
        writes.add(self.settle(&mut imports, schedule.settle_until).await);
        if writes.all_failed()
            && let Some(error) = take_first_error(&mut imports, Service::DynamoDb)
        {
            return Err(Error::Call(error));
        }
        Ok(into_checked(imports, described))
    }

    /// Puts each record beside what the ledger remembers of it: the higher number wins, the ledger on a tie.
    async fn recall(&self, records: Vec<Record>, until: Instant) -> Result<Vec<Import>, Error> {
        let image_ids: Vec<_> = records.iter().map(|record| record.image_id.as_str()).collect();
        let read = self.in_time_for_ledger(until, self.ledger.read(&image_ids)).await;
        let mut items = read.map_err(Error::Call)?;
        let recalled = |record: Record| {
            let item = items.remove(&record.image_id);
            Import::recalled(record, item.transpose())
        };
        let mut imports: Vec<Import> = records.into_iter().map(recalled).collect();
        let none_worked = imports.iter().all(|import| import.progress == Progress::Stopped);
        match take_first_error_if(none_worked, &mut imports, Service::DynamoDb) {
            Some(error) => Err(Error::Call(error)),
            None => Ok(imports),
        }
    }

    /// Describes each import that is not settled, and compares: what is due then is owed by its record.
    async fn describe(&self, imports: &mut [Import], until: Instant) -> Result<usize, Error> {
        let mut order: Vec<usize> =
            (0..imports.len()).filter(|&i| imports[i].progress == Progress::Unchecked).collect();
        if order.is_empty() {
            return Ok(0);
        }
        // Wherever the deadline falls, it does not fall on the same records each time.
        let first = fastrand::usize(..order.len());
        order.rotate_left(first);
        let ids: Vec<String> = order.iter().map(|&index| imports[index].record.image_id.clone()).collect();
        let describing = stream::iter(order.into_iter().zip(&ids)).map(|(index, id)| async move {
            (index, in_time_if_sent(Service::WorkSpaces, until, self.workspaces.describe(id)).await)
        });
        let mut describing = pin!(describing.buffer_unordered(self.concurrency));

        let (mut described, mut worked) = (0, 0);
        while let Some((index, found)) = describing.next().await {
            let now = Timestamp::from(self.clock.now());
            let import = &mut imports[index];
            let Some(found) = found else { continue };
            described += 1;
            match found {
                Ok(observation) => {
                    worked += 1;
                    import.percentage = observation.progress_percentage();
                    import.record.check(&observation, now, self.stall_after);
                    import.progress = Progress::Checked;
                }
                Err(error) => import.fail(error),
            }
        }
        match take_first_error_if(worked == 0, imports, Service::WorkSpaces) {
            Some(error) => Err(Error::Call(error)),
            None if described == 0 => Err(Error::Deadline),
            None => Ok(described),
        }
    }

    /// Records in the ledger what changed, what is owed above all, before any of it is published.
    async fn owe(&self, imports: &mut [Import], until: Instant) -> Writes {
        let changed = |import: &Import| {
            let owed_by_item = import.item.as_ref().and_then(|item| item.owed.as_ref());
            let owed = import.record.memory.owed.as_ref();
            import.progress == Progress::Checked
                && (import.record.memory != import.before || owed.is_some() && owed != owed_by_item)
        };
        self.write(imports, until, changed).await
    }

    /// Publishes what is owed, as few calls as it takes.
    async fn announce(&self, imports: &mut [Import], until: Instant) -> Result<(), Error> {
        let observed_at = Timestamp::from(self.clock.now());
        let owing = imports.iter().enumerate().filter_map(|(index, import)| match import.progress {
            Progress::Checked => Some((index, import, import.record.memory.owed.as_ref()?)),
            _ => None,
        });
        // Making hundreds that nobody sends any more would take longer than the margin is wide.
        let in_time_yet = |_: &_| Instant::now() < until;
        let messages = owing.clone().take_while(in_time_yet).map(|(_, import, transition)| {
            let announcement = Announcement {
                image_id: &import.record.image_id,
                transition,
                description: import.record.description.as_deref(),
                region: &self.region,
                observed_at,
            };
            announcement.message()
        });
        let results: Vec<Vec<Result<(), CallError>>> = stream::iter(into_batches(messages))
            .map(|batch| async move {
                match in_time(Service::Sns, until, self.topic.publish(&batch)).await {
                    Ok(results) => results,
                    Err(error) => batch.iter().map(|_| Err(error.again())).collect(),
                }
            })
            .buffered(self.concurrency)
            .collect()
            .await;

        let owing: Vec<usize> = owing.map(|(index, ..)| index).collect();
        let none_worked = !owing.is_empty() && results.iter().flatten().all(Result::is_err);
        let unsent = iter::repeat_with(|| Err(late(Service::Sns)));
        for (index, result) in owing.into_iter().zip(results.into_iter().flatten().chain(unsent)) {
            match result {
                Ok(()) => imports[index].succeed(),
                Err(error) => imports[index].fail(error),
            }
        }
        take_first_error_if(none_worked, imports, Service::Sns).map_or(Ok(()), |error| Err(Error::Call(error)))
    }

    /// Crosses off what SNS has taken. Where that cannot be written it was announced all the same, and the payload says so.
    async fn settle(&self, imports: &mut [Import], until: Instant) -> Writes {
        self.write(imports, until, |import| import.announced.is_some()).await
    }

    /// Writes the memory of each import that `is_due`; who loses to another invocation adopts its item.
    async fn write(&self, imports: &mut [Import], until: Instant, is_due: impl Fn(&Import) -> bool) -> Writes {
        let due = imports.iter().enumerate().filter(|(_, import)| is_due(import));
        let written: Vec<(usize, Result<Written, CallError>)> = stream::iter(due)
            .map(|(index, Import { record, item, .. })| async move {
                let write = self.ledger.write(&record.image_id, &record.memory, item.as_ref());
                (index, self.in_time_for_ledger(until, write).await)
            })
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        let mut writes = Writes::default();
        for (index, written) in written {
            let import = &mut imports[index];
            writes.begun += 1;
            match written {
                Ok(Written::Done) => import.item = Some(import.record.memory.clone()),
                Ok(Written::Lost(winner)) => import.lose(winner),
                Err(error) => {
                    writes.failed += 1;
                    import.fail(error);
                }
            }
        }
        writes
    }

    /// What a call to the ledger comes to. The payload alone is at hand: however late it is, there is no call to time out.
    async fn in_time_for_ledger<T>(
        &self,
        until: Instant,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        if self.ledger.is_remote() { in_time(Service::DynamoDb, until, call).await } else { call.await }
    }
}

/// How many ledger writes there were.
#[derive(Clone, Copy, Debug, Default)]
struct Writes {
    begun: usize,
    failed: usize,
}

impl Writes {
    fn add(&mut self, other: Self) {
        self.begun += other.begun;
        self.failed += other.failed;
    }

    fn all_failed(self) -> bool {
        self.begun > 0 && self.failed == self.begun
    }
}

#[cfg(test)]
mod tests;
