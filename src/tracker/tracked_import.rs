//! One import on its way through the flow.

use std::{cmp::Ordering, time::Duration};

use crate::{
    error::{CallError, NotSent, Service},
    import::{
        Announcement, CarriedDescription, Checkpoint, CurrentState, ImageName, Observation, Outcome, Record, State,
        Timestamp, Transition,
    },
    services::Item,
};

/// One import on its way through the flow.
pub(super) struct TrackedImport {
    pub(super) record: Record,
    /// The last checkpoint that is certain: as recalled, and then as of the last announcement that SNS accepted. A
    /// record whose write is lost falls back to it.
    confirmed: Checkpoint,
    /// The ledger's item, as last read or written. `None` if there is none.
    pub(super) item: Option<Item>,
    pub(super) stage: Stage,
    /// Whether discovery found the import because it failed lately. It is then of interest only if that has changed.
    is_rechecked: bool,
    /// Whether discovery saw another name than the ledger has.
    is_renamed: bool,
    /// The state in which this check observed the import.
    pub(super) current: Option<CurrentState>,
    /// The `ProgressPercentage` that this check observed.
    pub(super) percentage: Option<i32>,
    /// What SNS has accepted in this invocation.
    pub(super) announced: Option<Announcement>,
    /// Whether the ledger has yet to learn what SNS has accepted.
    pub(super) is_unmarked: bool,
    /// How long the import took, if its end was announced in this invocation.
    pub(super) duration_seconds: Option<u64>,
    /// Why describing was not even tried.
    pub(super) not_sent: Option<NotSent>,
    /// The calls for this import that failed.
    pub(super) errors: Vec<CallError>,
}

/// How far an import has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The import is completed, so there is nothing to check.
    Completed,
    /// The import is checked, and what it owes is announced. What it already owes is announced even if it cannot be
    /// described.
    Open,
    /// The ledger cannot be used for this import, or another invocation was first. Nothing more is done in this
    /// invocation.
    Stopped,
    /// The image was not made by an import. It is not in the response.
    NotAnImport,
}

impl TrackedImport {
    /// Combines a record with its item in the ledger. If the item could not be read, nothing is done for this import.
    /// The name is what the event says, else what discovery saw, else what the ledger has.
    pub(super) fn recall(
        mut record: Record,
        item: Option<Result<Item, CallError>>,
        listed_name: Option<ImageName>,
        is_discovered: bool,
    ) -> Self {
        let (item, error) = match item {
            None => (None, None),
            Some(Ok(item)) => (Some(item), None),
            Some(Err(error)) => (None, Some(error)),
        };
        let was_listed = record.checkpoint.listed;
        if let Some(item) = &item
            && takes_precedence(&item.checkpoint, &record.checkpoint)
        {
            record.checkpoint = item.checkpoint.clone();
        }
        let stored_name = item.as_ref().and_then(|item| item.name.clone());
        let is_renamed = item.is_some() && record.name.is_none() && listed_name.is_some() && listed_name != stored_name;
        record.name = record.name.or(listed_name).or(stored_name);
        // An event that names the image without `Listed` says that it is an import. So does an item.
        let stays_listed = (is_discovered || was_listed) && record.checkpoint.is_only_listed();
        if record.checkpoint.listed && !stays_listed {
            record.checkpoint = Checkpoint { listed: false, state: None, ..record.checkpoint };
        }
        let mut import = Self {
            is_rechecked: is_discovered && record.outcome() == Outcome::Failed,
            is_renamed,
            confirmed: record.checkpoint.clone(),
            stage: if record.needs_check() { Stage::Open } else { Stage::Completed },
            record,
            item,
            current: None,
            percentage: None,
            announced: None,
            is_unmarked: false,
            duration_seconds: None,
            not_sent: None,
            errors: Vec::new(),
        };
        if let Some(error) = error {
            import.stop("ledger read failed", error);
        }
        import
    }

    /// Takes what the service said about the import. The record then owes what is due.
    pub(super) fn observe(&mut self, observation: Observation, now: Timestamp, stall_after: Option<Duration>) {
        // An image that was only listed and has no import was made by `CreateWorkspaceImage`, `CopyWorkspaceImage`, and
        // the like. This is an assumption: AWS does not document how the service answers for such an image.
        if self.record.checkpoint.listed && matches!(observation, Observation::NotFound) {
            self.stage = Stage::NotAnImport;
            if self.item.is_some() {
                self.record.checkpoint.state = Some(State::not_found());
            }
            return;
        }
        self.percentage = observation.progress_percentage();
        self.current = self.record.compare(observation, now, stall_after);
    }

    /// What this import owes and may announce now.
    pub(super) fn owed(&self) -> Option<&Transition> {
        if self.stage == Stage::Open { self.record.checkpoint.owed.as_ref() } else { None }
    }

    /// Whether the ledger has to be written before anything is published. What is owed is written each time, even if
    /// the ledger owes it already: of several invocations, only the one whose write succeeds may publish. A listed
    /// image that could not be described is written, too, because it may have left the list of images before the next
    /// check.
    pub(super) fn needs_write(&self) -> bool {
        let has_changed = self.record.checkpoint != self.confirmed;
        match self.stage {
            Stage::Open => {
                let is_new = self.record.checkpoint.listed && self.item.is_none();
                has_changed || is_new || self.record.checkpoint.owed.is_some()
            }
            Stage::NotAnImport => has_changed,
            Stage::Completed | Stage::Stopped => false,
        }
    }

    /// Whether the ledger has yet to learn what SNS has accepted.
    pub(super) fn needs_mark(&self) -> bool {
        self.stage == Stage::Open && self.is_unmarked
    }

    /// The item with the name that discovery saw, if the ledger has another one and nothing else has to be written. It
    /// keeps its version, so that the write of another invocation still succeeds.
    pub(super) fn renamed_item(&self) -> Option<Item> {
        let item = self.item.as_ref()?;
        let is_due = self.stage == Stage::Open && self.is_renamed && item.name != self.record.name;
        let is_current = item.checkpoint == self.record.checkpoint;
        (is_due && is_current).then(|| Item { name: self.record.name.clone(), ..item.clone() })
    }

    /// SNS has accepted what was owed. The record moves on, whatever becomes of the ledger's item.
    pub(super) fn mark_announced(&mut self, announcement: Announcement) {
        let Announcement { image_id, name, transition_id, outcome, transition } = &announcement;
        let description = self.record.description.as_ref().map(CarriedDescription::typed);
        self.duration_seconds = description.and_then(|description| description.duration_seconds(&transition.to));
        tracing::info!(
            ImageId = image_id.as_str(),
            Name = name.as_ref().map(ImageName::as_str),
            TransitionId = transition_id.as_str(),
            Kind = transition.kind.as_str(),
            Sequence = transition.sequence,
            From = transition.from.as_ref().map(State::as_str),
            To = transition.to.as_str(),
            Outcome = outcome.as_str(),
            DurationSeconds = self.duration_seconds,
            "transition announced"
        );
        self.record.checkpoint = self.record.checkpoint.published();
        self.confirmed = self.record.checkpoint.clone();
        self.announced = Some(announcement);
        self.is_unmarked = true;
        // If the import was not described, the record still has the error of the last check.
        if self.errors.is_empty() {
            self.record.check_error = None;
        }
        if let Some(current) = &self.current {
            // With a ledger, the write before publishing has left an item.
            let has_ledger = self.item.is_some();
            self.record.follow(current, has_ledger);
        }
    }

    /// The item was changed or deleted after it was read, usually by another invocation. The current item is adopted if
    /// it takes precedence over what is known to be announced or owed. Otherwise, adopting it would use a number twice
    /// or drop an announcement.
    ///
    /// # Errors
    /// If the item is as expected, so that the table should have accepted the write.
    pub(super) fn resolve_lost_write(&mut self, winner: Option<Item>) -> Result<(), CallError> {
        let (expected, found) = (version(self.item.as_ref()), version(winner.as_ref()));
        tracing::info!(
            ImageId = self.record.image_id.as_str(),
            Name = self.name(),
            Expected = expected,
            Found = found,
            "ledger write lost"
        );
        if expected == found {
            let message = "the table rejected a write although the item is as expected";
            return Err(CallError::bad_response(Service::DynamoDb, message));
        }
        self.record.checkpoint = match &winner {
            Some(winner) if takes_precedence(&winner.checkpoint, &self.confirmed) => winner.checkpoint.clone(),
            _ => self.confirmed.clone(),
        };
        self.item = winner;
        self.stage = Stage::Stopped;
        Ok(())
    }

    /// A call failed. `what` is the message of the log line.
    pub(super) fn fail(&mut self, what: &str, error: CallError) {
        self.log(what, &error);
        self.fail_unlogged(error);
    }

    pub(super) fn log(&self, what: &str, error: &CallError) {
        tracing::warn!(
            ImageId = self.record.image_id.as_str(),
            Name = self.name(),
            Error = error.name(),
            Cause = error.cause(),
            "{what}"
        );
    }

    fn name(&self) -> Option<&str> {
        self.record.name.as_ref().map(ImageName::as_str)
    }

    /// There was no time for a call. Hundreds of imports can share this fate, so it gets no log line of its own.
    pub(super) fn fail_unlogged(&mut self, error: CallError) {
        self.record.check_error = Some(error.to_check_error());
        self.errors.push(error);
    }

    /// A call failed without which nothing more may be done for this import.
    pub(super) fn stop(&mut self, what: &str, error: CallError) {
        self.fail(what, error);
        self.stage = Stage::Stopped;
    }

    /// Whether the response has nothing to say about this import.
    pub(super) fn is_left_out(&self) -> bool {
        let is_unchanged = self.record.outcome() == Outcome::Failed
            && self.announced.is_none()
            && self.errors.is_empty()
            && self.not_sent.is_none();
        self.stage == Stage::NotAnImport || self.is_rechecked && is_unchanged
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
    imports.iter().flat_map(|import| &import.errors).find(|error| error.service == service)
}
