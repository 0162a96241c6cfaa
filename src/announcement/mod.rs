//! What subscribers read, and how it reaches SNS.

pub mod batch;
pub mod message;
pub mod sns;
mod text;

pub use batch::into_batches;
pub use message::{Announcement, Message};
pub use sns::{Announce, Sns};
