//! The event of each invocation, made from the response of the one before, and the end of the run.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

/// The number of failures in a row after which the run ends.
const MAX_FAILURES: u32 = 5;

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// No import failed.
    Completed,
    /// An import failed.
    Failed,
    /// Something kept the imports from being checked.
    NotChecked,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::SUCCESS,
            Outcome::Failed => Self::from(1),
            Outcome::NotChecked => Self::from(2),
        }
    }
}

/// A run from its first event to its end.
#[derive(Debug)]
pub(crate) struct Tracking {
    event: String,
    /// Whether an event of this run discovers imports.
    discovers: bool,
    failures: u32,
    succeeded: bool,
}

impl Tracking {
    /// Tracks these images, or every running import if there are none.
    pub(crate) fn of(image_ids: &[String]) -> Self {
        if image_ids.is_empty() {
            return Self::starting_with(&json!({"Discover": true}));
        }
        let records: Vec<Value> = image_ids.iter().map(|image_id| json!({"ImageId": image_id})).collect();
        Self::starting_with(&json!({"Imports": records}))
    }

    pub(crate) fn starting_with(event: &Value) -> Self {
        Self { event: event.to_string(), discovers: event["Discover"] == true, failures: 0, succeeded: false }
    }

    /// The event of the next invocation.
    pub(crate) fn event(&self) -> &str {
        &self.event
    }

    pub(crate) fn discovers(&self) -> bool {
        self.discovers
    }

    /// Makes a response the next event. Returns the response, and how the run ended if it did.
    ///
    /// A response does not discover. If the discovery was not complete, the next event therefore discovers again.
    pub(crate) fn follow(&mut self, response: &str) -> anyhow::Result<(Value, Option<Outcome>)> {
        let response: Value = serde_json::from_str(response).context("the response is not JSON")?;
        let discovery_failed = self.discovers && response["DiscoverError"].is_object();
        let incomplete =
            discovery_failed || self.discovers && response["Undiscovered"].as_u64().unwrap_or_default() > 0;
        self.succeeded = true;
        self.failures = if discovery_failed { self.failures + 1 } else { 0 };
        let mut event = response.clone();
        if incomplete {
            event["Discover"] = true.into();
        }
        self.event = event.to_string();
        let settled = match response["Status"].as_str() {
            Some("COMPLETED") => Some(Outcome::Completed),
            Some("FAILED") => Some(Outcome::Failed),
            _ => None,
        };
        let outcome = match settled {
            Some(_) if incomplete => (self.failures >= MAX_FAILURES).then_some(Outcome::NotChecked),
            outcome => outcome,
        };
        Ok((response, outcome))
    }

    /// Counts a failed invocation. Returns whether to give up.
    ///
    /// If no invocation has succeeded yet, the cause is most likely a missing permission, a wrong Region, or invalid
    /// credentials. Trying again does not help.
    pub(crate) fn fail(&mut self) -> bool {
        self.failures += 1;
        !self.succeeded || self.failures >= MAX_FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(tracking: &Tracking) -> Value {
        serde_json::from_str(tracking.event()).unwrap_or_default()
    }

    fn follow(tracking: &mut Tracking, response: &Value) -> Option<Outcome> {
        tracking.follow(&response.to_string()).map_or(None, |(_, outcome)| outcome)
    }

    #[test]
    fn the_first_event_lists_the_images() {
        let tracking = Tracking::of(&["wsi-0a1b2c3d4".to_owned(), "wsi-1b2c3d4e5".to_owned()]);
        assert_eq!(event(&tracking), json!({"Imports": [{"ImageId": "wsi-0a1b2c3d4"}, {"ImageId": "wsi-1b2c3d4e5"}]}));
        assert!(!tracking.discovers());
    }

    #[test]
    fn without_images_the_first_event_discovers_and_the_responses_go_on() {
        let mut tracking = Tracking::of(&[]);
        assert_eq!(event(&tracking), json!({"Discover": true}));
        let mut response = json!({
            "Status": "PENDING", "Pending": 1, "Completed": 0, "Failed": 0, "Unchecked": 0,
            "Imports": [{"ImageId": "wsi-0a1b2c3d4", "State": "VALIDATING", "Sequence": 1, "Outcome": "PENDING"}],
            "Transitions": [],
        });
        assert_eq!(follow(&mut tracking, &response), None);
        assert_eq!(event(&tracking), response, "the response is the next event and does not discover");
        response["Status"] = "COMPLETED".into();
        assert_eq!(follow(&mut tracking, &response), Some(Outcome::Completed));
    }

    #[test]
    fn an_incomplete_discovery_is_repeated() {
        for incomplete in [
            json!({"Status": "COMPLETED", "Imports": [], "Undiscovered": 3}),
            json!({"Status": "FAILED", "Imports": [], "DiscoverError": {"Error": "WorkSpaces.Timeout", "Cause": "c"}}),
        ] {
            let mut tracking = Tracking::of(&[]);
            assert_eq!(follow(&mut tracking, &incomplete), None);
            assert_eq!(event(&tracking)["Discover"], true);
            assert_eq!(follow(&mut tracking, &json!({"Status": "FAILED", "Imports": []})), Some(Outcome::Failed));
            assert_eq!(event(&tracking)["Discover"], Value::Null);
        }
    }

    #[test]
    fn a_discovery_that_keeps_failing_ends_the_run() {
        let mut tracking = Tracking::of(&[]);
        let response = json!({"Status": "COMPLETED", "Imports": [], "DiscoverError": {"Error": "e", "Cause": "c"}});
        let outcomes: Vec<_> = (0..5).map(|_| follow(&mut tracking, &response)).collect();
        assert_eq!(outcomes, [None, None, None, None, Some(Outcome::NotChecked)]);
    }

    #[test]
    fn the_first_failure_ends_the_run_and_later_ones_only_in_a_row() {
        assert!(Tracking::of(&[]).fail());
        let mut tracking = Tracking::of(&["wsi-0a1b2c3d4".to_owned()]);
        let pending = json!({"Status": "PENDING", "Imports": []});
        assert_eq!(follow(&mut tracking, &pending), None);
        assert_eq!([(); 4].map(|()| tracking.fail()), [false; 4]);
        assert_eq!(follow(&mut tracking, &pending), None);
        assert_eq!([(); 5].map(|()| tracking.fail()), [false, false, false, false, true]);
    }
}
