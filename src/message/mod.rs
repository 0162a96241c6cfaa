//! Messages: what people and programs receive. Pure.
//!
//! A [`Draft`] has everything that a message is built from. The texts for people (email, SMS, chat) lay out the same
//! facts, which `facts` collects once.

mod batch;
mod chat;
mod draft;
mod durations;
mod email;
mod facts;
mod origin;
mod remedies;
mod safe;
mod self_test;
mod sms;

#[cfg(test)]
pub(crate) use self::remedies::find;
pub use self::{
    batch::{MAX_BYTES, into_batches},
    draft::{Attribute, Draft, Message},
    origin::Origin,
    self_test::TestDraft,
};
pub(crate) use self::{draft::Body, self_test::TestBody};

#[cfg(test)]
mod tests;
