//! The domain, pure: what an import is, what a check of it finds, and what is then due. No I/O, no clock.

mod description;
mod record;
mod state;
mod timestamp;
mod transition;

pub use description::{Description, ErrorDetail, ImageSource};
pub use record::{CheckError, Memory, Observation, Record, image_id_is_valid};
pub use state::{MAX_STATE_CHARS, Outcome, State};
pub use timestamp::Timestamp;
pub use transition::{Kind, Transition};
