//! An SNS endpoint that shows what subscribers receive.

mod answer;
mod form;
mod published;
mod response;
mod rules;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub use self::{answer::SnsAnswer, published::Published};
use self::{form::Batch, response::Failed};
use crate::{
    http::{Reply, Request, Server},
    lock::lock,
    pause::pause,
    tls::Tls,
};

/// Serves `PublishBatch` for every topic, refuses what SNS refuses, and keeps what was published. Any other action,
/// `Publish` among them, is an `InvalidAction`.
///
/// A FIFO topic's repeats are kept too: whether something was sent twice is what tests want to know.
#[derive(Clone, Debug)]
pub struct Sns {
    state: Arc<State>,
    server: Arc<Server>,
}

impl Sns {
    /// Starts over plain HTTP.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::serve(None).await
    }

    /// Starts over TLS.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start_tls(tls: &Tls) -> io::Result<Self> {
        Self::serve(Some(tls)).await
    }

    async fn serve(tls: Option<&Tls>) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let handler = {
            let state = Arc::clone(&state);
            move |request| Arc::clone(&state).answer(request)
        };
        Ok(Self { server: Arc::new(Server::start(handler, tls).await?), state })
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_SNS`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What serves it, to be asked about connections.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// One list for each call that was taken, its failed entries left out: an empty one where all of them failed.
    #[must_use]
    pub fn batches(&self) -> Vec<Vec<Published>> {
        lock(&self.state.kept).batches.clone()
    }

    /// Every message, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        lock(&self.state.kept).batches.concat()
    }

    /// Every message from now on, as it is published.
    #[must_use]
    pub fn subscribe(&self) -> UnboundedReceiver<Published> {
        let (sender, receiver) = unbounded_channel();
        lock(&self.state.kept).subscribers.push(sender);
        receiver
    }

    /// The next calls are answered so, one after another; the ones after are taken.
    pub fn script(&self, answers: impl IntoIterator<Item = SnsAnswer>) {
        let mut said = lock(&self.state.said);
        said.next = answers.into_iter().collect();
        said.standing = SnsAnswer::Take;
    }

    /// Every further call is answered so, whatever was scripted.
    pub fn set(&self, answer: SnsAnswer) {
        let mut said = lock(&self.state.said);
        said.next.clear();
        said.standing = answer;
    }

    /// Every answer waits so long, on top of its own delay, before anything is published.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.state.said).latency = latency;
    }

    /// Every request, refused ones and other actions included, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.kept).requests.clone()
    }

    /// Forgets messages and requests, but neither answers nor subscribers.
    pub fn clear(&self) {
        let mut kept = lock(&self.state.kept);
        kept.batches.clear();
        kept.requests.clear();
    }
}

#[derive(Debug, Default)]
struct State {
    said: Mutex<Said>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Said {
    next: VecDeque<SnsAnswer>,
    standing: SnsAnswer,
    latency: Duration,
}

impl Default for Said {
    fn default() -> Self {
        Self { next: VecDeque::new(), standing: SnsAnswer::Take, latency: Duration::ZERO }
    }
}

#[derive(Debug, Default)]
struct Kept {
    requests: Vec<Request>,
    batches: Vec<Vec<Published>>,
    subscribers: Vec<UnboundedSender<Published>>,
    /// Messages ever published, for their ids.
    count: usize,
}

impl State {
    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let action = request.operation();
        lock(&self.kept).requests.push(request.clone());
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
        let batch = form::read(&request.body);
        match answer {
            SnsAnswer::FailEntries(failing) => self.take(batch, &failing),
            SnsAnswer::Error { status, code, message } => Reply::query_error(status, &code, &message),
            SnsAnswer::Fault(fault) => Reply::Fault(fault),
            SnsAnswer::TakeThen(fault) => {
                self.take(batch, &[]);
                Reply::Fault(fault)
            }
            SnsAnswer::Raw(reply) => reply,
            SnsAnswer::Take | SnsAnswer::After(..) => self.take(batch, &[]),
        }
    }

    fn next(&self) -> (Duration, SnsAnswer) {
        let mut said = lock(&self.said);
        let next = said.next.pop_front();
        (said.latency, next.unwrap_or_else(|| said.standing.clone()))
    }

    /// Publishes what neither SNS nor `failing` stops.
    fn take(&self, batch: Batch, failing: &[(usize, String, String)]) -> Reply {
        if let Err((code, message)) = rules::check_batch(&batch) {
            return Reply::query_error(400, code, &message);
        }
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for (index, entry) in batch.entries.into_iter().enumerate() {
            let told = failing.iter().find(|(failing, ..)| *failing == index);
            let (code, message) = match (told, rules::check_entry(&entry)) {
                (Some((_, code, message)), _) => (code.clone(), message.clone()),
                (None, Err((code, message))) => (code.to_owned(), message),
                (None, Ok(())) => {
                    taken.push(entry);
                    continue;
                }
            };
            failed.push(Failed { id: entry.id, code, message });
        }
        let first = lock(&self.kept).publish(&taken);
        response::write(&taken, &failed, first)
    }
}

impl Kept {
    /// Keeps a call's messages and passes them on; returns the number of the first.
    fn publish(&mut self, taken: &[Published]) -> usize {
        let first = self.count + 1;
        self.count += taken.len();
        for message in taken {
            self.subscribers.retain(|subscriber| subscriber.send(message.clone()).is_ok());
        }
        self.batches.push(taken.to_vec());
        first
    }
}

#[cfg(test)]
mod tests;
