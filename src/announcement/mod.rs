//! What subscribers receive, and how it is published to SNS.

pub mod batch;
pub mod message;
mod origin;
pub mod sns;
mod text;

pub use batch::into_batches;
pub use message::{Announcement, Message};
pub use origin::Origin;
pub use sns::{Announce, Sns};
