//! The three imports that are played, on a clock that runs faster than the real one.
//!
//! The clock is stepped, five minutes at a time, by whoever plays: the run steps it once a round, `--serve` every few
//! seconds. A run whose states came and went by the real time would miss one on a machine that pauses at the wrong
//! moment, and fail with nothing wrong; this one cannot, and takes as long.

use std::{
    iter,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use simulator::{Answer, STATES, WorkSpaces, description};

/// What one step of the clock amounts to.
pub(crate) const STEP: Duration = Duration::from_mins(5);

/// How long an import is in each state: four steps, three of which change only its progress.
const IN_STATE: Duration = Duration::from_mins(20);

/// The state of ours for an image that is gone.
const NOT_FOUND: &str = "NOT_FOUND";

/// One import.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) image_id: &'static str,
    states: Vec<&'static str>,
    errors: &'static [(&'static str, &'static str)],
}

/// One that completes through all states, one that fails, one that is deleted midway.
pub(crate) fn imports() -> [Import; 3] {
    let (error, course) = STATES.split_last().expect("there are states");
    let failing = course[..6].iter().copied().chain([*error]);
    let deleted = course[..5].iter().copied().chain([NOT_FOUND]);
    [
        Import { image_id: "wsi-0a1b2c3d4", states: course.to_vec(), errors: &[] },
        Import {
            image_id: "wsi-1b2c3d4e5",
            states: failing.collect(),
            errors: &[
                ("DomainJoined", "The image is joined to a domain. Remove it from the domain and import it again."),
                ("AntiVirusInstalled", "Antivirus software is installed. Uninstall it and import the image again."),
            ],
        },
        Import { image_id: "wsi-2c3d4e5f6", states: deleted.collect(), errors: &[] },
    ]
}

/// How long the longest of them is under way.
pub(crate) fn length() -> Duration {
    iter::repeat_n(IN_STATE, STATES.len() - 2).sum()
}

impl Import {
    /// Makes the service answer as it would so long after the import began.
    pub(crate) fn lay(&self, workspaces: &WorkSpaces, elapsed: Duration) {
        workspaces.set(self.image_id, self.answer(elapsed));
    }

    fn answer(&self, elapsed: Duration) -> Answer {
        let last = self.states.len() - 1;
        let index = self.states.iter().zip(0..last).take_while(|(_, index)| elapsed >= IN_STATE * (index + 1)).count();
        let state = self.states[usize::try_from(index).unwrap_or(last)];
        Answer::NotFound
    }

    /// The ids of the announcements that this comes to, for a record that begins in `PENDING`.
    pub(crate) fn transition_ids(&self) -> Vec<String> {
        let announced = self.states.iter().skip(1).zip(1..);
        announced.map(|(state, number)| format!("{}#{number}:{state}", self.image_id)).collect()
    }
}
