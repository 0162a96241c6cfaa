//! Reads the fields of one object of an event, and collects every place of the event that is malformed.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::json::{A_NUMBER, A_STRING, Object, field, integer, kind_of, object};
use crate::{
    error::Error,
    import::{CarriedDescription, Checkpoint, ImageId, Kind, State, Transition},
};

const A_STATE: &str = "a state (a string)";
const THE_NEXT_NUMBER: &str = "the record's Sequence + 1";
/// Where a `Description` that is a text comes from. There, it is what the user wrote about the image.
const OF_ANOTHER_CALL: &str = ", as in the output of DescribeWorkspaceImages: send only the ImageId of its images";

/// How many places an error message names. The rest are counted.
const MAX_PLACES: usize = 20;

/// The malformed places of an event, in the event's order.
#[derive(Default)]
pub(super) struct Problems {
    named: Vec<String>,
    more: usize,
}

impl Problems {
    /// Adds a problem. The place of the event as a whole is empty.
    pub(super) fn add(&mut self, place: &str, problem: &str) {
        if self.named.len() == MAX_PLACES {
            self.more += 1;
        } else if place.is_empty() {
            self.named.push(problem.to_owned());
        } else {
            self.named.push(format!("{place}: {problem}"));
        }
    }

    /// Whether there are no problems.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// # Errors
    /// [`Error::InvalidEvent`] if there are any problems.
    pub(super) fn into_result(self) -> Result<(), Error> {
        let Self { mut named, more } = self;
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        if named.is_empty() { Ok(()) } else { Err(Error::InvalidEvent(named.join("; "))) }
    }
}

/// The fields of one object.
pub(super) struct Fields<'a, 'p> {
    pub(super) raw: Object<'a>,
    /// The place of the object in the event. Empty for the event itself.
    pub(super) place: &'p str,
    pub(super) problems: &'p mut Problems,
}

impl Fields<'_, '_> {
    fn problem(&mut self, name: &str, problem: &str) {
        match self.place {
            "" => self.problems.add(name, problem),
            place => self.problems.add(&format!("{place}.{name}"), problem),
        }
    }

    pub(super) fn optional<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = field(&self.raw, name)?;
        let read = serde_json::from_str(value.get());
        if read.is_err() {
            self.problem(name, &format!("expected {expected}, got {}", kind_of(value)));
        }
        read.ok()
    }

    fn require(&mut self, name: &str, expected: &str) {
        if field(&self.raw, name).is_none() {
            self.problem(name, &format!("is missing, expected {expected}"));
        }
    }

    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        self.require(name, expected);
        self.optional(name, expected)
    }

    /// A field that only this function writes. A malformed one counts as absent.
    pub(super) fn lenient<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(field(&self.raw, name)?.get()).ok()
    }

    pub(super) fn image_id(&mut self) -> Option<ImageId> {
        let text: String = self.required("ImageId", "an image ID such as wsi-0a1b2c3d4")?;
        let id = ImageId::parse(&text);
        if id.is_none() {
            self.problem("ImageId", &format!("must match {}", ImageId::PATTERN));
        }
        id
    }

    pub(super) fn state(&mut self, name: &str) -> Option<State> {
        let text: String = self.optional(name, A_STATE)?;
        let state = State::parse(&text);
        if state.is_none() {
            self.problem(name, "must have 1 to 64 printable ASCII characters and no space at its ends");
        }
        state
    }

    fn number(&mut self, name: &str, expected: &str) -> Option<u64> {
        let value = field(&self.raw, name)?;
        match kind_of(value) {
            A_NUMBER => {
                let number = integer(value.get());
                if number.is_none() {
                    self.problem(name, &format!("must be {expected}"));
                }
                number
            }
            kind => {
                self.problem(name, &format!("expected {expected}, got {kind}"));
                None
            }
        }
    }

    /// The record's `Sequence`, 0 if it is absent. `None` if it is malformed.
    pub(super) fn sequence(&mut self) -> Option<u64> {
        const NAME: &str = "Sequence";
        if field(&self.raw, NAME).is_none() {
            return Some(0);
        }
        let expected = format!("an integer from 0 to {}", Checkpoint::MAX_SEQUENCE);
        let sequence = self.number(NAME, &expected)?;
        if sequence > Checkpoint::MAX_SEQUENCE {
            self.problem(NAME, &format!("must be {expected}"));
            return None;
        }
        Some(sequence)
    }

    /// Not by serde, which would also accept `{"STALLED": null}`.
    fn kind(&mut self) -> Option<Kind> {
        let name: String = self.required("Kind", "STATE_CHANGED or STALLED")?;
        let kind = [Kind::StateChanged, Kind::Stalled].into_iter().find(|kind| kind.as_str() == name);
        if kind.is_none() {
            self.problem("Kind", "must be STATE_CHANGED or STALLED");
        }
        kind
    }

    /// What the record owes. Its number is not compared with a malformed `Sequence`, which has been reported already.
    pub(super) fn owed(&mut self, sequence: Option<u64>) -> Option<Transition> {
        let owed = field(&self.raw, "Owed")?;
        let place = format!("{}.Owed", self.place);
        let Some(raw) = object(owed) else {
            self.problems.add(&place, &format!("expected an object, got {}", kind_of(owed)));
            return None;
        };
        let mut fields = Fields { raw, place: &place, problems: self.problems };
        let kind = fields.kind();
        let from = fields.state("From");
        fields.require("To", A_STATE);
        let to = fields.state("To");
        fields.require("Sequence", THE_NEXT_NUMBER);
        let number = fields.number("Sequence", THE_NEXT_NUMBER);
        if number.is_some_and(|number| number > Checkpoint::MAX_SEQUENCE) {
            fields.problem("Sequence", &format!("must be at most {}", Checkpoint::MAX_SEQUENCE));
        } else if let (Some(_), Some(sequence)) = (number, sequence)
            && number != Checkpoint::sequence_after(sequence)
        {
            fields.problem("Sequence", "must be the record's Sequence + 1");
        }
        Some(Transition { kind: kind?, sequence: number?, from, to: to? })
    }

    pub(super) fn description(&mut self) -> Option<CarriedDescription> {
        let description: &RawValue = field(&self.raw, "Description")?;
        if !description.get().starts_with('{') {
            let kind = kind_of(description);
            let hint = if kind == A_STRING { OF_ANOTHER_CALL } else { "" };
            self.problem("Description", &format!("expected an object, got {kind}{hint}"));
            return None;
        }
        Some(CarriedDescription::from_json(description.to_owned()))
    }
}
