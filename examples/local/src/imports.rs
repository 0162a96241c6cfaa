//! Three simulated imports and a simulated clock.
//!
//! The clock advances in steps of five minutes: the demo advances it before each invocation, `--serve` every few
//! seconds. If the states changed with real time, the demo could miss one on a machine that pauses at the wrong moment,
//! and fail although nothing is wrong.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fake_aws::{Answer, STATES, WorkSpaces, description};

/// One step of the clock, in minutes.
pub(crate) const STEP_MINUTES: u16 = 5;

/// How long an import stays in each state: four steps of the clock. The last three change only the progress.
pub(crate) const MINUTES_IN_STATE: u16 = 20;

/// An image that was made in another way. WorkSpaces lists it like an import, but it has none.
pub(crate) const OTHER_IMAGE: &str = "wsi-3d4e5f6a7";

/// Stands for a deleted image in a list of states.
const NOT_FOUND: &str = "NOT_FOUND";

/// A simulated import.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) image_id: &'static str,
    name: &'static str,
    /// The states that the import passes through, starting with `PENDING`.
    states: Vec<&'static str>,
}

/// One import that completes, one that fails, and one whose image is deleted.
pub(crate) fn imports() -> [Import; 3] {
    let [successful @ .., error] = STATES;
    let until = |count, end| successful.iter().copied().take(count).chain([end]).collect();
    [
        Import { image_id: "wsi-0a1b2c3d4", name: "windows-11-2026-01", states: successful.to_vec() },
        Import { image_id: "wsi-1b2c3d4e5", name: "windows-11-office", states: until(6, error) },
        Import { image_id: "wsi-2c3d4e5f6", name: "windows-10-cad", states: until(7, NOT_FOUND) },
    ]
}

/// Makes WorkSpaces answer as it would `minutes` after the imports started.
pub(crate) fn set_answers(imports: &[Import], workspaces: &WorkSpaces, minutes: u16) {
    for import in imports {
        workspaces.set(import.image_id, import.answer(minutes));
        workspaces.set_name(import.image_id, import.name);
    }
}

impl Import {
    /// The answer `minutes` after the import started.
    fn answer(&self, minutes: u16) -> Answer {
        let age = Duration::from_mins(minutes.into());
        let (minutes, in_state) = (usize::from(minutes), usize::from(MINUTES_IN_STATE));
        let last = self.states.len() - 1;
        let state = self.states[last.min(minutes / in_state)];
        if state == NOT_FOUND {
            return Answer::NotFound;
        }
        // A complete import enters the last of the 13 states other than `ERROR` after this time.
        let total = (STATES.len() - 2) * in_state;
        let progress = minutes.min(last * in_state) * 100 / total;
        // The function uses the real clock, so the start of the import moves into the past instead.
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
                    "The image is joined to a domain. Remove it from the domain and import it again.",
                )
                .error(
                    "AntiVirusInstalled",
                    "Antivirus software is installed. Uninstall it and import the image again.",
                ),
            _ => body,
        };
        body.into()
    }

    /// The transition IDs to expect for an import that the function discovers in `PENDING`.
    pub(crate) fn transition_ids(&self) -> Vec<String> {
        let announced = self.states.iter().zip(1..);
        announced.map(|(state, number)| format!("{}#{number}:{state}", self.image_id)).collect()
    }
}

impl fmt::Display for Import {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.image_id, self.states.join(" "))
    }
}
