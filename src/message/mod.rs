//! Messages: what people and programs receive. Pure.
//!
//! A [`Draft`] has everything that a message is built from. The texts for people (email, SMS, chat) lay out the same
//! facts, which `facts` collects once.

mod chat;
mod draft;
mod durations;
mod facts;
mod origin;
mod plain;
mod remedies;
mod safe;
mod self_test;
mod sns;

#[cfg(test)]
pub(crate) use self::remedies::find;
pub(crate) use self::{draft::Body, self_test::TestBody};
pub use self::{
    draft::Draft,
    origin::Origin,
    self_test::TestDraft,
    sns::{Attribute, MAX_BYTES, Message, into_batches},
};

#[cfg(test)]
mod tests;
