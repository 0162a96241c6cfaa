//! The domain, pure: what an import is, what a check finds, and what must then be announced. No I/O and no clock.

mod checkpoint;
mod description;
mod image;
mod record;
mod state;
mod timestamp;
mod transition;
pub(crate) mod truncate;

pub use checkpoint::Checkpoint;
pub use description::{CarriedDescription, Description, ErrorDetail, ImageSource};
pub use image::{ImageId, ImageName};
pub use record::{CheckError, CurrentState, Observation, Record};
pub use state::{Outcome, State};
pub use timestamp::Timestamp;
pub use transition::{Announcement, Kind, Transition, TransitionId};
