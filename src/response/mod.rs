//! The response to an event, and its size limit.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::import::{
    Announcement, CarriedDescription, CheckError, Outcome, Record,
    truncate::{SHORTEST_TEXT, escaped_len, largest_limit, shorten},
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
    pub transitions: Vec<Announcement>,
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

impl From<Record> for ImportReport {
    fn from(record: Record) -> Self {
        Self { outcome: record.outcome(), record }
    }
}

/// The size of `"Truncated":true,` in bytes.
const TRUNCATED_BYTES: usize = 17;

impl Response {
    /// A response to a check that left nothing out. Counts the outcomes.
    #[must_use]
    pub fn new(records: Vec<Record>, transitions: Vec<Announcement>) -> Self {
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
            unchecked: 0,
            undiscovered: 0,
            discover_error: None,
            imports,
            transitions,
        }
    }

    /// The response as JSON of at most `limit` bytes. If it is larger, the longest texts of descriptions are shortened
    /// first, then whole descriptions are removed, the largest first, then causes are shortened, then names are
    /// removed. What the next check needs is never removed.
    #[must_use]
    pub fn into_json(mut self, limit: usize) -> Box<RawValue> {
        self.cut_texts(limit);
        // Each step runs only if the one before was not enough.
        let steps: [fn(&mut Self, usize); 5] =
            [Self::shorten_texts, Self::drop_descriptions, Self::shorten_causes, Self::drop_names, Self::drop_reports];
        let mut json = self.to_json();
        for step in steps {
            let excess = json.get().len().saturating_sub(limit);
            if excess == 0 {
                break;
            }
            step(&mut self, excess);
            json = self.to_json();
        }
        json
    }

    /// Cuts texts that cannot fit in any case. The next steps measure and write every byte, which would take longer
    /// than the margin before Lambda's deadline for megabytes. They cut these texts further and mark them.
    fn cut_texts(&mut self, limit: usize) {
        let descriptions = self.imports.iter().filter_map(|import| import.record.description.as_ref());
        let lengths: Vec<usize> = descriptions.flat_map(CarriedDescription::text_lengths).collect();
        if lengths.iter().sum::<usize>() <= limit {
            return;
        }
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let fits = |length: usize| lengths.iter().map(|text| length.min(*text)).sum::<usize>() <= limit;
        // A little more, so that the next steps see that the text is too long, wherever its last character ends.
        let length = largest_limit(longest, fits).unwrap_or(SHORTEST_TEXT) + 8;
        for description in self.imports.iter_mut().filter_map(|import| import.record.description.as_mut()) {
            description.cut_texts(length);
        }
    }

    fn to_json(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self).expect("structs of strings and numbers are valid JSON")
    }

    fn shorten_texts(&mut self, excess: usize) {
        let mut sizes = Vec::with_capacity(self.imports.len());
        for import in &self.imports {
            sizes.push(import.record.description.as_ref().map_or_else(Vec::new, CarriedDescription::text_sizes));
        }
        let saved = |limit: usize| {
            let mut saved = 0;
            for sizes in &sizes {
                let texts: usize = sizes.iter().map(|size| size.saturating_sub(limit)).sum();
                saved += texts.saturating_sub(TRUNCATED_BYTES);
            }
            saved
        };
        let longest = sizes.iter().flatten().copied().max().unwrap_or_default();
        let limit = largest_limit(longest, |limit| saved(limit) >= excess).unwrap_or(SHORTEST_TEXT);
        for ImportReport { record, .. } in &mut self.imports {
            if let Some(description) = &mut record.description
                && description.shorten_texts(limit)
            {
                record.truncated = true;
            }
        }
    }

    fn drop_descriptions(&mut self, mut excess: usize) {
        let mut by_size: Vec<(usize, &mut Record)> = Vec::new();
        for import in &mut self.imports {
            if let Some(description) = &import.record.description {
                by_size.push((description.to_json().len(), &mut import.record));
            }
        }
        by_size.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        for (size, record) in by_size {
            if excess == 0 {
                return;
            }
            let mark = if record.truncated { 0 } else { TRUNCATED_BYTES };
            excess = excess.saturating_sub(size.saturating_sub(mark));
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

    /// Removes names, those of `Transitions` first. The ledger still has those of its items.
    fn drop_names(&mut self, mut excess: usize) {
        let transitions = self.transitions.iter_mut().map(|transition| &mut transition.name);
        let imports = self.imports.iter_mut().map(|import| &mut import.record.name);
        for name in transitions.chain(imports) {
            if excess == 0 {
                return;
            }
            let removed = name.take().map_or(0, |name| escaped_len(name.as_str()) + r#""Name":"","#.len());
            excess = excess.saturating_sub(removed);
        }
    }

    /// Removes `Transitions`, then `CheckError`s. Only a full event with image IDs and states far longer than those of
    /// WorkSpaces needs this. Failures are in the log, and announcements have reached the topic.
    fn drop_reports(&mut self, mut excess: usize) {
        // Without the comma after it, so that not too little is removed.
        let json_len = |value: &Announcement| serde_json::to_string(value).map_or(0, |json| json.len());
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
