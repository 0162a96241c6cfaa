//! One import on its way through the flow.

use std::{cmp::Ordering, time::Duration};

use crate::{
    error::{CallError, NotSent, Service},
    import::{Announcement, Checkpoint, Observation, Record, State, Timestamp, Transition},
    services::Item,
};

/// One import on its way through the flow.
pub(super) struct TrackedImport {
    pub(super) record: Record,
    /// The checkpoint as recalled, or as it was after SNS accepted what was owed. The record never falls behind it.
    confirmed: Checkpoint,
    /// The ledger's item, as last read or written. `None` if there is none.
    pub(super) item: Option<Item>,
    /// Only the list of images named this import until now.
    pub(super) is_new: bool,
    pub(super) stage: Stage,
    /// The `ProgressPercentage` that this check observed.
    pub(super) percentage: Option<i32>,
    /// What SNS has accepted in this invocation.
    pub(super) announced: Option<Announcement>,
    /// Why describing was not even tried.
    pub(super) not_sent: Option<NotSent>,
    /// The failed call that stopped the check of this import.
    pub(super) error: Option<CallError>,
}

/// How far an import has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The import is completed, so there is nothing to check.
    Completed,
    /// The image was not made by an import. It leaves the flow.
    NotAnImport,
    /// The import has not been checked yet. If it stays so, the time ran out.
    Unchecked,
    /// Something failed, or another invocation was first. Nothing more is done in this invocation.
    Stopped,
    /// The import was checked. What it owes can be announced.
    Checked,
}

impl TrackedImport {
    /// Combines a record with its item in the ledger. If the item could not be read, the import has failed.
    pub(super) fn recall(mut record: Record, item: Option<Result<Item, CallError>>) -> Self {
        let (item, error) = match item {
            None => (None, None),
            Some(Ok(item)) => (Some(item), None),
            Some(Err(error)) => (None, Some(error)),
        };
        if let Some(item) = &item
            && takes_precedence(&item.checkpoint, &record.checkpoint)
        {
            record.checkpoint = item.checkpoint.clone();
        }
        record.listed &= item.is_none() && record.checkpoint == Checkpoint::default();
        let mut import = Self {
            confirmed: record.checkpoint.clone(),
            is_new: record.listed,
            stage: if record.needs_check() { Stage::Unchecked } else { Stage::Completed },
            record,
            item,
            percentage: None,
            announced: None,
            not_sent: None,
            error: None,
        };
        if let Some(error) = error {
            import.fail("ledger read failed", error);
        }
        import
    }

    /// Takes what the service said about the import. The record then owes what is due.
    pub(super) fn observe(&mut self, observation: Observation, now: Timestamp, stall_after: Option<Duration>) {
        // An image that was only listed and has no import was made by `CreateWorkspaceImage`, `CopyWorkspaceImage`, and the
        // like. This is an assumption: AWS does not document how the service answers for such an image.
        if self.record.listed && matches!(observation, Observation::NotFound) {
            self.stage = Stage::NotAnImport;
            return;
        }
        self.percentage = observation.progress_percentage();
        self.record.compare(observation, now, stall_after);
        self.stage = Stage::Checked;
    }

    /// What this import owes and may announce now.
    pub(super) fn owed(&self) -> Option<&Transition> {
        if self.stage == Stage::Checked { self.record.checkpoint.owed.as_ref() } else { None }
    }

    /// Whether the ledger has to be written before anything is published. What is owed is written each time, even if the
    /// ledger owes it already: of several invocations, only the one whose write succeeds may publish. A new import is
    /// written even if nothing is owed, because it may have left the list of images before the next check.
    pub(super) fn needs_write(&self) -> bool {
        let due = self.record.checkpoint != self.confirmed || self.record.checkpoint.owed.is_some() || self.is_new;
        self.stage == Stage::Checked && due
    }

    /// SNS has accepted what was owed. The record moves on, whatever becomes of the ledger's item.
    pub(super) fn mark_announced(&mut self, announcement: Announcement) {
        let Announcement { image_id, transition_id, outcome, transition } = &announcement;
        tracing::info!(
            ImageId = image_id.as_str(),
            TransitionId = transition_id.as_str(),
            Kind = transition.kind.as_str(),
            Sequence = transition.sequence,
            From = transition.from.as_ref().map(State::as_str),
            To = transition.to.as_str(),
            Outcome = outcome.as_str(),
            "transition announced"
        );
        self.record.checkpoint = self.record.checkpoint.published();
        self.confirmed = self.record.checkpoint.clone();
        self.announced = Some(announcement);
    }

    /// The item was changed or deleted after it was read, usually by another invocation. The current item is adopted if it
    /// takes precedence over what is known to be announced or owed. Otherwise, adopting it would use a number twice or
    /// drop an announcement.
    ///
    /// # Errors
    /// If the item is as expected, so that the table should have accepted the write.
    pub(super) fn resolve_lost_write(&mut self, current: Option<Item>) -> Result<(), CallError> {
        let (expected, found) = (version(self.item.as_ref()), version(current.as_ref()));
        tracing::info!(
            ImageId = self.record.image_id.as_str(),
            Expected = expected,
            Found = found,
            "ledger write lost"
        );
        if expected == found {
            let message = "the table rejected a write although the item is as expected";
            return Err(CallError::bad_response(Service::DynamoDb, message));
        }
        self.record.checkpoint = match &current {
            Some(current) if takes_precedence(&current.checkpoint, &self.confirmed) => current.checkpoint.clone(),
            _ => self.confirmed.clone(),
        };
        self.item = current;
        self.stage = Stage::Stopped;
        Ok(())
    }

    /// Something failed. `what` is the message of the log line.
    pub(super) fn fail(&mut self, what: &str, error: CallError) {
        tracing::warn!(ImageId = self.record.image_id.as_str(), Error = error.name(), Cause = error.cause(), "{what}");
        self.record.check_error = Some(error.to_check_error());
        self.error = Some(error);
        self.stage = Stage::Stopped;
    }
}

/// Whether the ledger's checkpoint is used: the higher `Sequence` wins. On a tie, one that owes wins over one that does
/// not, because an earlier invocation may have failed to write what it owes; otherwise, the ledger wins.
fn takes_precedence(item: &Checkpoint, record: &Checkpoint) -> bool {
    match item.sequence.cmp(&record.sequence) {
        Ordering::Greater => true,
        Ordering::Equal => item.owed.is_some() || record.owed.is_none(),
        Ordering::Less => false,
    }
}

pub(super) fn version(item: Option<&Item>) -> Option<u64> {
    item.map(|item| item.version)
}

/// The first error of a service's calls, in the event's order.
pub(super) fn first_error(imports: &[TrackedImport], service: Service) -> Option<&CallError> {
    imports.iter().filter_map(|import| import.error.as_ref()).find(|error| error.service == service)
}
