//! An SNS endpoint that records the messages that subscribers would receive.

mod published;
mod query;
mod rules;

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub use self::published::Published;
use self::query::{Batch, Failed};
use crate::{
    http::{Fault, Reply, Request, pause},
    lock,
    service::{FakeService, Handle},
};

/// Serves `PublishBatch` for every topic, rejects what SNS rejects, and records every published message. Any other
/// action, including `Publish`, returns `InvalidAction`.
///
/// Unlike SNS, it keeps duplicates on a FIFO topic, so that tests can detect them.
pub type Sns = FakeService<Backend>;

/// An answer to `PublishBatch`. Whatever the answer, entries that SNS would reject are not published.
#[derive(Clone, Debug)]
pub enum SnsAnswer {
    /// SNS publishes every entry.
    Take,
    /// SNS rejects these entries (index in the batch, code, message) and publishes the others.
    FailEntries(Vec<(usize, String, String)>),
    /// SNS returns an error and publishes nothing.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
        /// The error message.
        message: String,
    },
    /// SNS publishes nothing, and the caller gets a fault instead of a response.
    Fault(Fault),
    /// SNS publishes every entry, and the caller gets a fault instead of a response.
    TakeThen(Fault),
    /// Another answer, after a delay. SNS publishes nothing if the caller disconnects before that.
    After(Duration, Box<SnsAnswer>),
    /// SNS publishes nothing and returns this reply.
    Raw(Reply),
}

/// The answers to give and the requests received.
#[derive(Debug, Default)]
pub struct Backend {
    answers: Mutex<Answers>,
    received: Mutex<Received>,
}

#[derive(Debug)]
struct Answers {
    /// The answers to the next calls.
    script: VecDeque<SnsAnswer>,
    /// The answer to all calls after those.
    default: SnsAnswer,
    latency: Duration,
}

#[derive(Debug, Default)]
struct Received {
    requests: Vec<Request>,
    batches: Vec<Vec<Published>>,
    subscribers: Vec<UnboundedSender<Published>>,
    /// The number of messages published since the start, for message IDs.
    count: usize,
}

impl Sns {
    /// The published messages of each call. A call whose entries all failed adds an empty list; a call that failed as a
    /// whole adds nothing.
    #[must_use]
    pub fn batches(&self) -> Vec<Vec<Published>> {
        lock(&self.backend.received).batches.clone()
    }

    /// Every published message, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        lock(&self.backend.received).batches.concat()
    }

    /// A channel that receives every message published from now on.
    #[must_use]
    pub fn subscribe(&self) -> UnboundedReceiver<Published> {
        let (sender, receiver) = unbounded_channel();
        lock(&self.backend.received).subscribers.push(sender);
        receiver
    }

    /// Answers the next calls with these answers, one each, and the calls after those with [`SnsAnswer::Take`].
    pub fn script(&self, script: impl IntoIterator<Item = SnsAnswer>) {
        let mut answers = lock(&self.backend.answers);
        answers.script = script.into_iter().collect();
        answers.default = SnsAnswer::Take;
    }

    /// Answers every call from now on with this answer. Discards the script.
    pub fn set(&self, answer: SnsAnswer) {
        let mut answers = lock(&self.backend.answers);
        answers.script.clear();
        answers.default = answer;
    }

    /// Delays every answer by `latency`, in addition to its own delay. Messages are published after the delay.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.backend.answers).latency = latency;
    }

    /// Every request in order of arrival, including rejected ones and other actions.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.backend.received).requests.clone()
    }

    /// Discards the recorded messages and requests. Answers and subscribers stay.
    pub fn clear(&self) {
        let mut received = lock(&self.backend.received);
        received.batches.clear();
        received.requests.clear();
    }
}

impl Handle for Backend {
    async fn handle(&self, request: Request) -> Reply {
        let action = request.operation();
        lock(&self.received).requests.push(request.clone());
        if action != "PublishBatch" {
            let message = format!("The action {action} is not valid for this endpoint.");
            return Reply::query_error(400, "InvalidAction", &message);
        }
        let (latency, mut answer) = self.next();
        pause(latency).await;
        while let SnsAnswer::After(delay, then) = answer {
            pause(delay).await;
            answer = *then;
        }
        let batch = query::read(&request.body);
        match answer {
            SnsAnswer::FailEntries(failing) => self.publish(batch, &failing),
            SnsAnswer::Error { status, code, message } => Reply::query_error(status, &code, &message),
            SnsAnswer::Fault(fault) => Reply::Fault(fault),
            SnsAnswer::TakeThen(fault) => {
                self.publish(batch, &[]);
                Reply::Fault(fault)
            }
            SnsAnswer::Raw(reply) => reply,
            SnsAnswer::Take | SnsAnswer::After(..) => self.publish(batch, &[]),
        }
    }
}

impl Backend {
    fn next(&self) -> (Duration, SnsAnswer) {
        let mut answers = lock(&self.answers);
        let next = answers.script.pop_front();
        (answers.latency, next.unwrap_or_else(|| answers.default.clone()))
    }

    /// Publishes the entries that neither SNS rejects nor `failing` lists.
    fn publish(&self, batch: Batch, failing: &[(usize, String, String)]) -> Reply {
        if let Err((code, message)) = rules::check_batch(&batch) {
            return Reply::query_error(400, code, &message);
        }
        let (mut published, mut failed) = (Vec::new(), Vec::new());
        for (index, entry) in batch.entries.into_iter().enumerate() {
            let scripted = failing.iter().find(|(failing, ..)| *failing == index);
            let (code, message) = match (scripted, rules::check_entry(&entry)) {
                (Some((_, code, message)), _) => (code.clone(), message.clone()),
                (None, Err((code, message))) => (code.to_owned(), message),
                (None, Ok(())) => {
                    published.push(entry);
                    continue;
                }
            };
            failed.push(Failed { id: entry.id, code, message });
        }
        let first = lock(&self.received).add(&published);
        query::write(&published, &failed, first)
    }
}

impl Received {
    /// Records the messages of one call and passes them to the subscribers. Returns the number of the first message.
    fn add(&mut self, published: &[Published]) -> usize {
        let first = self.count + 1;
        self.count += published.len();
        for message in published {
            self.subscribers.retain(|subscriber| subscriber.send(message.clone()).is_ok());
        }
        self.batches.push(published.to_vec());
        first
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self { script: VecDeque::new(), default: SnsAnswer::Take, latency: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests;
