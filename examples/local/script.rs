//! The three imports that are played, on a clock that runs faster than the real one.
//!
//! The clock is stepped, five minutes at a time, by whoever plays: the run steps it once a round, `--serve` every few
//! seconds. States that came and went by the real time would be missed by a machine that pauses at the wrong moment,
//! and the run would fail with nothing wrong; stepped, it cannot.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use simulator::{Answer, STATES, WorkSpaces, description};

/// What one step of the clock amounts to.
pub(crate) const STEP_MINUTES: u16 = 5;

/// How long an import is in each state: four steps, of which three change only its progress.
pub(crate) const MINUTES_IN_STATE: u16 = 20;

/// In place of a state: the image is there no more.
const NOT_FOUND: &str = "NOT_FOUND";

/// One import.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) image_id: &'static str,
    /// What it is in, one after another; `PENDING` first.
    states: Vec<&'static str>,
}

/// One that completes through all states, one that fails, one that is deleted midway.
pub(crate) fn imports() -> [Import; 3] {
    let [course @ .., error] = STATES;
    let until = |count, end| course.iter().copied().take(count).chain([end]).collect();
    [
        Import { image_id: "wsi-0a1b2c3d4", states: course.to_vec() },
        Import { image_id: "wsi-1b2c3d4e5", states: until(6, error) },
        Import { image_id: "wsi-2c3d4e5f6", states: until(7, NOT_FOUND) },
    ]
}

/// Makes the service answer as it does so many minutes after the imports began.
pub(crate) fn lay(imports: &[Import], workspaces: &WorkSpaces, minutes: u16) {
    for import in imports {
        workspaces.set(import.image_id, import.answer(minutes));
    }
}

impl Import {
    /// What the service answers so many minutes after the import began.
    fn answer(&self, minutes: u16) -> Answer {
        let age = Duration::from_mins(minutes.into());
        let (minutes, in_state) = (usize::from(minutes), usize::from(MINUTES_IN_STATE));
        let last = self.states.len() - 1;
        let state = self.states[last.min(minutes / in_state)];
        if state == NOT_FOUND {
            return Answer::NotFound;
        }
        // Of all states but `ERROR`, from the beginning of the first to that of the last.
        let course = (STATES.len() - 2) * in_state;
        let progress = minutes.min(last * in_state) * 100 / course;
        // The function's clock is the real one, and so the beginning lies in the past, ever further.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let body = description(self.image_id, state)
            .member("ProgressPercentage", progress.into())
            .created(now.saturating_sub(age).as_secs_f64())
            .updated(now.as_secs_f64())
            .infrastructure("arn:aws:imagebuilder:eu-west-1:123456789012:infrastructure-configuration/image-imports")
            .ami("ami-0123456789abcdef0")
            .instance("i-0123456789abcdef0");
        let body = match state {
            "ERROR" => body
                .message("The image did not pass the compatibility checks.")
                .error(
                    "DomainJoined",
                    "The image is joined to a domain. Take it out of the domain and import it again.",
                )
                .error(
                    "AntiVirusInstalled",
                    "Antivirus software is installed. Uninstall it and import the image again.",
                ),
            _ => body,
        };
        body.into()
    }

    /// The ids of the announcements that this comes to, for a record that begins in `PENDING`.
    pub(crate) fn transition_ids(&self) -> Vec<String> {
        let announced = self.states.iter().skip(1).zip(1..);
        announced.map(|(state, number)| format!("{}#{number}:{state}", self.image_id)).collect()
    }
}

impl fmt::Display for Import {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.image_id, self.states.join(" "))
    }
}
