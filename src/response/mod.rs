//! The response to an event, and its size limit.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    import::{CheckError, ImageId, Outcome, Record, Transition, TransitionId},
    tracker::Announced,
    truncate::{self, escaped_len, largest_limit, shorten, shorten_texts, text_sizes},
};

/// The response to an event. It can be the next event, unchanged.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(title = "Response")]
pub struct Response {
    /// `PENDING` if any record is pending; otherwise `FAILED` if any has failed; otherwise `COMPLETED`.
    pub status: Outcome,
    /// The number of records that are `PENDING`.
    pub pending: usize,
    /// The number of records that are `COMPLETED`.
    pub completed: usize,
    /// The number of records that are `FAILED`.
    pub failed: usize,
    /// The number of records that were not checked because the time ran out. They are also counted by their outcome.
    pub unchecked: usize,
    /// The number of images that were discovered and left for the next check. Absent if there is none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub undiscovered: usize,
    /// Why discovery is incomplete. Absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discover_error: Option<CheckError>,
    /// The records, in the event's order, and after them those that were discovered.
    pub imports: Vec<ImportReport>,
    /// What this invocation announced.
    pub transitions: Vec<TransitionReport>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A record with its outcome.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "Import")]
pub struct ImportReport {
    /// The outcome of the import.
    pub outcome: Outcome,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
}

/// An announcement that SNS has accepted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "Announcement")]
pub struct TransitionReport {
    /// Identifies the announcement permanently.
    transition_id: TransitionId,
    /// The image that is being imported.
    image_id: ImageId,
    /// The outcome that follows from `To`.
    outcome: Outcome,
    /// What was announced.
    #[serde(flatten)]
    transition: Transition,
}

impl From<Record> for ImportReport {
    fn from(record: Record) -> Self {
        Self { outcome: record.outcome(), record }
    }
}

impl From<Announced> for TransitionReport {
    fn from(Announced { id, image_id, transition }: Announced) -> Self {
        Self { transition_id: id, image_id, outcome: transition.outcome(), transition }
    }
}

/// The size of `"Truncated":true,` in bytes.
const TRUNCATED_BYTES: usize = 17;

impl Response {
    /// Builds the response and counts the outcomes.
    #[must_use]
    pub fn new(records: Vec<Record>, announced: Vec<Announced>, unchecked: usize) -> Self {
        let imports: Vec<ImportReport> = records.into_iter().map(ImportReport::from).collect();
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
            unchecked,
            undiscovered: 0,
            discover_error: None,
            imports,
            transitions: announced.into_iter().map(TransitionReport::from).collect(),
        }
    }

    /// The response as JSON of at most `limit` bytes. If it is larger, the longest texts of descriptions are shortened
    /// first, then whole descriptions are removed, the largest first, then causes are shortened. What the next check needs
    /// is never removed.
    #[must_use]
    pub fn into_json(mut self, limit: usize) -> Box<RawValue> {
        // Each step runs only if the one before was not enough.
        let steps: [fn(&mut Self, usize); 4] =
            [Self::shorten_texts, Self::drop_descriptions, Self::shorten_causes, Self::drop_reports];
        let mut json = self.to_json();
        for step in steps {
            let Some(excess) = json.get().len().checked_sub(limit).filter(|excess| *excess > 0) else { break };
            step(&mut self, excess);
            json = self.to_json();
        }
        json
    }

    fn to_json(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self).expect("structs of strings and numbers are valid JSON")
    }

    fn shorten_texts(&mut self, excess: usize) {
        let sizes: Vec<Vec<usize>> = self
            .imports
            .iter()
            .map(|import| import.record.description.as_ref().map(|d| text_sizes(d.json())).unwrap_or_default())
            .collect();
        let saved = |limit: usize| {
            let saved_of = |sizes: &Vec<usize>| {
                let texts: usize = sizes.iter().map(|size| size.saturating_sub(limit)).sum();
                texts.saturating_sub(TRUNCATED_BYTES)
            };
            sizes.iter().map(saved_of).sum::<usize>()
        };
        let longest = sizes.iter().flatten().copied().max().unwrap_or_default();
        let limit = largest_limit(longest, |limit| saved(limit) >= excess).unwrap_or(truncate::SHORTEST_TEXT);
        for ImportReport { record, .. } in &mut self.imports {
            if let Some(description) = &record.description
                && let Some(shorter) = shorten_texts(description.json(), limit)
            {
                record.description = Some(description.with_json(shorter));
                record.truncated = true;
            }
        }
    }

    fn drop_descriptions(&mut self, mut excess: usize) {
        let size =
            |record: &Record| record.description.as_ref().map_or(0, |description| description.json().get().len());
        let mut by_size: Vec<&mut Record> = self.imports.iter_mut().map(|import| &mut import.record).collect();
        by_size.sort_by_key(|record| std::cmp::Reverse(size(record)));
        for record in by_size {
            let saved = size(record);
            if excess == 0 || saved == 0 {
                return;
            }
            let mark = if record.truncated { 0 } else { TRUNCATED_BYTES };
            excess = excess.saturating_sub(saved.saturating_sub(mark));
            record.description = None;
            record.truncated = true;
        }
    }

    fn shorten_causes(&mut self, excess: usize) {
        let mut causes: Vec<&mut String> = self
            .imports
            .iter_mut()
            .filter_map(|import| import.record.check_error.as_mut())
            .chain(&mut self.discover_error)
            .map(|error| &mut error.cause)
            .collect();
        let sizes: Vec<usize> = causes.iter().map(|cause| escaped_len(cause)).collect();
        let saved = |limit: usize| sizes.iter().map(|size| size.saturating_sub(limit)).sum::<usize>();
        let longest = sizes.iter().copied().max().unwrap_or_default();
        let limit = largest_limit(longest, |limit| saved(limit) >= excess).unwrap_or(0);
        for cause in &mut causes {
            **cause = shorten(cause, limit);
        }
    }

    /// Removes `Transitions`, then `CheckError`s. Only a full event with image IDs and states far longer than those of
    /// WorkSpaces needs this. Failures are in the log, and announcements have reached the topic.
    fn drop_reports(&mut self, mut excess: usize) {
        // Without the comma after it, so that not too little is removed.
        let json_len = |value: &TransitionReport| serde_json::to_string(value).map_or(0, |json| json.len());
        while excess > 0
            && let Some(transition) = self.transitions.pop()
        {
            excess = excess.saturating_sub(json_len(&transition));
        }
        if excess > 0 {
            self.imports.iter_mut().for_each(|import| import.record.check_error = None);
        }
    }
}

#[cfg(test)]
mod tests;
