//! One import on its way through the flow, and what all of them come to.

use super::{Announced, Checked, Progressed};
use crate::{
    error::{CallError, Service},
    import::{Memory, Outcome, Record, State, Transition},
};

/// One import on its way through the flow.
pub(super) struct Import {
    pub(super) record: Record,
    /// As the record was before the check, or, once SNS has taken what it owed, as it has been since: it never falls back
    /// behind that.
    pub(super) before: Memory,
    /// The ledger's item, as read or as last written.
    pub(super) item: Option<Memory>,
    pub(super) progress: Progress,
    /// The `ProgressPercentage` that this check found.
    pub(super) percentage: Option<i32>,
    pub(super) announced: Option<Transition>,
    /// Why the check did not work out.
    pub(super) error: Option<CallError>,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is complete: there is nothing to check.
    Settled,
    /// The deadline left no time for it.
    Unchecked,
    /// Something failed, or another invocation was first: nothing more is done for it this time.
    Stopped,
    /// Checked; what it owes can be announced.
    Checked,
}

impl Import {
    /// A record beside what the ledger remembers of it. Where that cannot be told, nothing more is done.
    pub(super) fn recalled(mut record: Record, item: Result<Option<Memory>, CallError>) -> Self {
        let (item, error) = item.map_or_else(|error| (None, Some(error)), |item| (item, None));
        if let Some(item) = item.as_ref().filter(|item| item.sequence >= record.memory.sequence) {
            record.memory = item.clone();
        }
        let mut import = Self {
            before: record.memory.clone(),
            progress: if record.needs_check() { Progress::Unchecked } else { Progress::Settled },
            record,
            item,
            percentage: None,
            announced: None,
            error: None,
        };
        if let Some(error) = error {
            import.fail(error);
        }
        import
    }

    /// SNS has taken what it owed: it has moved on, whatever becomes of the ledger's item.
    pub(super) fn succeed(&mut self) {
        self.announced = self.record.memory.owed.clone();
        self.record.memory = self.record.memory.settled();
        self.before = self.record.memory.clone();
        if let Some(transition) = &self.announced {
            tracing::info!(
                ImageId = self.record.image_id,
                TransitionId = transition.id(&self.record.image_id),
                Kind = transition.kind.as_str(),
                Sequence = transition.sequence,
                From = transition.from.as_ref().map(State::as_str),
                To = transition.to.as_str(),
                Outcome = transition.outcome().as_str(),
                "transition announced"
            );
        }
    }

    /// Another invocation was first: its item counts, unless somebody deleted that, or put one that is behind in its place.
    /// A number that was announced would then be used again.
    pub(super) fn lose(&mut self, winner: Option<Memory>) {
        let ahead = winner.as_ref().filter(|winner| winner.sequence >= self.before.sequence);
        self.record.memory = ahead.unwrap_or(&self.before).clone();
        self.item = winner;
        self.progress = Progress::Stopped;
    }

    /// Nothing more is done for it this time.
    pub(super) fn fail(&mut self, error: CallError) {
        tracing::warn!(ImageId = self.record.image_id, Error = error.name(), Cause = error.cause(), "check failed");
        self.record.check_error = Some(error.to_check_error());
        self.error = Some(error);
        self.progress = Progress::Stopped;
    }
}

/// The first error of a service's calls, in the event's order.
pub(super) fn take_first_error(imports: &mut [Import], service: Service) -> Option<CallError> {
    let errors = imports.iter_mut().map(|import| &mut import.error);
    errors.into_iter().find(|error| error.as_ref().is_some_and(|error| error.service == service))?.take()
}

pub(super) fn take_first_error_if(condition: bool, imports: &mut [Import], service: Service) -> Option<CallError> {
    if condition { take_first_error(imports, service) } else { None }
}

/// What all of them came to.
pub(super) fn into_checked(imports: Vec<Import>, described: usize) -> Checked {
    let mut checked = Checked { described, ..Checked::default() };
    for import in imports {
        let image_id = &import.record.image_id;
        checked.unchecked += usize::from(import.progress == Progress::Unchecked);
        checked.failed_checks += usize::from(import.error.is_some());
        if import.announced.is_some() || import.record.outcome() == Outcome::Pending {
            let progressed = |percentage| Progressed { image_id: image_id.clone(), percentage };
            checked.progressed.extend(import.percentage.map(progressed));
        }
        let announced = |transition| Announced { image_id: image_id.clone(), transition };
        checked.announced.extend(import.announced.map(announced));
        checked.records.push(import.record);
    }
    checked
}
