//! Where invocations wait for the function, and their callers for its answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Instant,
};

use tokio::sync::{Notify, oneshot, watch};

use super::{FunctionError, Waiting};
use crate::lock::lock;

/// The posted body, or the error.
pub(super) type Outcome = Result<String, FunctionError>;

/// Invocations by where they stand. One whose caller has left is dropped instead of being handed out.
#[derive(Debug)]
pub(super) struct Desk {
    queue: Mutex<VecDeque<Waiting>>,
    added: Notify,
    under_way: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    asked: watch::Sender<bool>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            added: Notify::new(),
            under_way: Mutex::default(),
            asked: watch::Sender::new(false),
        }
    }

    pub(super) fn add(&self, waiting: Waiting) {
        lock(&self.queue).push_back(waiting);
        self.added.notify_one();
    }

    /// Hands out the next invocation, when there is one.
    pub(super) async fn next(&self) -> Waiting {
        self.asked.send_replace(true);
        loop {
            let added = self.added.notified();
            if let Some(waiting) = self.pop() {
                return waiting;
            }
            added.await;
        }
    }

    fn pop(&self) -> Option<Waiting> {
        let mut queue = lock(&self.queue);
        while let Some(mut waiting) = queue.pop_front() {
            let (Some(started), Some(answer)) = (waiting.started.take(), waiting.answer.take()) else { continue };
            if started.send(Instant::now()).is_ok() {
                lock(&self.under_way).insert(waiting.request_id.clone(), answer);
                return Some(waiting);
            }
        }
        None
    }

    /// Passes an answer on; false where nothing by this id is under way.
    pub(super) fn settle(&self, request_id: &str, outcome: Outcome) -> bool {
        // A caller that has given up does not make the answer wrong.
        lock(&self.under_way).remove(request_id).map(|caller| caller.send(outcome)).is_some()
    }

    /// Resolves when the function has asked for an invocation for the first time.
    pub(super) async fn asked(&self) {
        // The sender is this very struct's, so that it cannot have gone.
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }
}
