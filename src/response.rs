//! What goes back, and its size limit.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    cut::{self, cut_text, cut_texts, escaped_len, largest_limit, text_sizes},
    import::{CheckError, Description, Kind, Outcome, Record, State, Transition},
    tracker::{Announced, Checked},
};

/// The answer to an event; it can be the next event as it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(title = "Response")]
pub struct Response {
    /// `PENDING` while any record is; else `FAILED` if any is; else `COMPLETED`.
    pub status: Outcome,
    /// Records that are `PENDING`.
    pub pending: usize,
    /// Records that are `COMPLETED`.
    pub completed: usize,
    /// Records that are `FAILED`.
    pub failed: usize,
    /// Records that the deadline left no time for; they are counted by their outcome, too.
    pub unchecked: usize,
    /// The records, in the event's order.
    pub imports: Vec<ImportReport>,
    /// What this invocation announced.
    pub transitions: Vec<TransitionReport>,
}

/// A record, as it goes back.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "Import")]
pub struct ImportReport {
    image_id: String,
    /// The state last announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    /// How many announcements this import has had.
    sequence: u64,
    outcome: Outcome,
    /// A stall has been announced and not yet ended.
    stalled: bool,
    /// An announcement that is due and has not gone out.
    #[serde(skip_serializing_if = "Option::is_none")]
    owed: Option<Transition>,
    /// There, and true, where the last check did not find the image.
    #[serde(skip_serializing_if = "is_false")]
    missing: bool,
    /// Why the last check did not work out.
    #[serde(skip_serializing_if = "Option::is_none")]
    check_error: Option<CheckError>,
    /// There, and true, where the description was cut or left out.
    #[serde(skip_serializing_if = "is_false")]
    truncated: bool,
    /// The last description.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Description>")]
    description: Option<Box<RawValue>>,
}

/// An announcement that SNS has taken.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "Transition")]
pub struct TransitionReport {
    transition_id: String,
    kind: Kind,
    image_id: String,
    sequence: u64,
    from: Option<State>,
    to: State,
    outcome: Outcome,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl From<Record> for ImportReport {
    fn from(record: Record) -> Self {
        Self {
            outcome: record.outcome(),
            image_id: record.image_id,
            state: record.memory.state,
            sequence: record.memory.sequence,
            stalled: record.memory.stalled,
            owed: record.memory.owed,
            missing: record.memory.missing,
            check_error: record.check_error,
            truncated: record.truncated,
            description: record.description,
        }
    }
}

impl From<Announced> for TransitionReport {
    fn from(Announced { image_id, transition }: Announced) -> Self {
        Self {
            transition_id: transition.id(&image_id),
            outcome: transition.outcome(),
            kind: transition.kind,
            image_id,
            sequence: transition.sequence,
            from: transition.from,
            to: transition.to,
        }
    }
}

impl From<Checked> for Response {
    fn from(checked: Checked) -> Self {
        let imports: Vec<ImportReport> = checked.records.into_iter().map(ImportReport::from).collect();
        let count = |outcome| imports.iter().filter(|import| import.outcome == outcome).count();
        let (pending, completed, failed) = (count(Outcome::Pending), count(Outcome::Completed), count(Outcome::Failed));
        Self {
            status: match (pending, failed) {
                (0, 0) => Outcome::Completed,
                (0, _) => Outcome::Failed,
                _ => Outcome::Pending,
            },
            pending,
            completed,
            failed,
            unchecked: checked.unchecked,
            imports,
            transitions: checked.announced.into_iter().map(TransitionReport::from).collect(),
        }
    }
}

/// What `"Truncated":true,` takes.
const TRUNCATED_BYTES: usize = 17;

impl Response {
    /// The response as JSON of at most `limit` bytes. Past it, the longest texts of descriptions are cut first, then
    /// whole descriptions are left out, the largest first, then causes; what the next check needs is never cut.
    #[must_use]
    pub fn into_json(mut self, limit: usize) -> Box<RawValue> {
        // Nothing but cutting makes it smaller, so each step is taken only where the one before was not enough.
        let steps: [fn(&mut Self, usize); 4] =
            [Self::cut_texts, Self::drop_descriptions, Self::cut_causes, Self::drop_what_was_said];
        let mut json = self.to_json();
        for step in steps {
            let Some(excess) = json.get().len().checked_sub(limit).filter(|excess| *excess > 0) else { break };
            step(&mut self, excess);
            json = self.to_json();
        }
        json
    }

    fn to_json(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self).expect("structs of strings and numbers are JSON")
    }

    fn cut_texts(&mut self, excess: usize) {
        let sizes: Vec<Vec<usize>> = self
            .imports
            .iter()
            .map(|import| import.description.as_deref().map(text_sizes).unwrap_or_default())
            .collect();
        let saved = |limit: usize| {
            let saved_of = |sizes: &Vec<usize>| {
                let texts: usize = sizes.iter().map(|size| size.saturating_sub(limit)).sum();
                texts.saturating_sub(if texts > 0 { TRUNCATED_BYTES } else { 0 })
            };
            sizes.iter().map(saved_of).sum::<usize>()
        };
        let longest = sizes.iter().flatten().copied().max().unwrap_or_default();
        let limit = largest_limit(longest, |limit| saved(limit) >= excess).unwrap_or(cut::SHORTEST_TEXT);
        for import in &mut self.imports {
            if let Some(cut) = import.description.as_deref().and_then(|description| cut_texts(description, limit)) {
                import.description = Some(cut);
                import.truncated = true;
            }
        }
    }

    fn drop_descriptions(&mut self, mut excess: usize) {
        let size = |import: &ImportReport| import.description.as_ref().map_or(0, |description| description.get().len());
        let mut by_size: Vec<&mut ImportReport> = self.imports.iter_mut().collect();
        by_size.sort_by_key(|import| std::cmp::Reverse(size(import)));
        for import in by_size {
            let saved = size(import);
            if excess == 0 || saved == 0 {
                return;
            }
            let mark = if import.truncated { 0 } else { TRUNCATED_BYTES };
            excess = excess.saturating_sub(saved.saturating_sub(mark));
            import.description = None;
            import.truncated = true;
        }
    }

    fn cut_causes(&mut self, excess: usize) {
        let mut causes: Vec<&mut String> = self
            .imports
            .iter_mut()
            .filter_map(|import| import.check_error.as_mut())
            .map(|error| &mut error.cause)
            .collect();
        let sizes: Vec<usize> = causes.iter().map(|cause| escaped_len(cause)).collect();
        let saved = |limit: usize| sizes.iter().map(|size| size.saturating_sub(limit)).sum::<usize>();
        let longest = sizes.iter().copied().max().unwrap_or_default();
        let limit = largest_limit(longest, |limit| saved(limit) >= excess).unwrap_or(0);
        for cause in &mut causes {
            **cause = cut_text(cause, limit);
        }
    }

    /// Only image ids and states far longer than WorkSpaces' own get here, in an event as full as it may be:
    /// what failed is in the log, and what was announced has reached the topic.
    fn drop_what_was_said(&mut self, mut excess: usize) {
        let json_len = |value: &TransitionReport| serde_json::to_string(value).map_or(0, |json| json.len() + 1);
        while excess > 0
            && let Some(transition) = self.transitions.pop()
        {
            excess = excess.saturating_sub(json_len(&transition));
        }
        if excess > 0 {
            self.imports.iter_mut().for_each(|import| import.check_error = None);
        }
    }
}

#[cfg(test)]
mod tests;
