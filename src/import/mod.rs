//! The domain, pure: what an import is, what a check finds, and what must then be announced. No I/O and no clock.

mod checkpoint;
mod description;
mod image_id;
mod image_name;
mod record;
mod state;
mod timestamp;
mod transition;
pub(crate) mod truncate;

pub use checkpoint::Checkpoint;
pub use description::{CarriedDescription, Description, ErrorDetail, ImageSource};
pub use image_id::ImageId;
pub use image_name::ImageName;
pub use record::{CheckError, CurrentState, Observation, Record};
pub use state::{Outcome, State};
pub use timestamp::Timestamp;
pub use transition::{Announcement, Kind, Transition, TransitionId};
