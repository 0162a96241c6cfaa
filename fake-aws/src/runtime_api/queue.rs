//! The queue between callers, which add invocations, and the function, which takes and finishes them.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot, watch};

use super::FunctionError;
use crate::lock;

/// The invocations that the function has not finished. If the caller of a waiting invocation gives up, the queue drops
/// the invocation instead of sending it to the function.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    added: Notify,
    /// By request ID.
    running: Mutex<HashMap<String, oneshot::Sender<Result<String, FunctionError>>>>,
    /// Whether the function has asked for an invocation.
    asked: watch::Sender<bool>,
}

/// An invocation that the function has not received.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) timeout: Duration,
    /// Tells the caller when the function receives the invocation.
    pub(super) started: Option<oneshot::Sender<Instant>>,
    /// Tells the caller the response body or the error.
    pub(super) result: Option<oneshot::Sender<Result<String, FunctionError>>>,
}

impl Queue {
    pub(super) fn add(&self, waiting: Waiting) {
        lock(&self.waiting).push_back(waiting);
        self.added.notify_one();
    }

    /// Waits for the next invocation and moves it from waiting to running.
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
        let mut queued = lock(&self.waiting);
        while let Some(mut waiting) = queued.pop_front() {
            let (Some(started), Some(result)) = (waiting.started.take(), waiting.result.take()) else { continue };
            // This fails if the caller has given up.
            if started.send(Instant::now()).is_ok() {
                lock(&self.running).insert(waiting.request_id.clone(), result);
                return Some(waiting);
            }
        }
        None
    }

    /// Passes a result to the caller. Returns false if no invocation with this ID is running.
    pub(super) fn finish(&self, request_id: &str, result: Result<String, FunctionError>) -> bool {
        // The function answers correctly even if the caller has given up, so a failed send is ignored.
        lock(&self.running).remove(request_id).map(|caller| caller.send(result)).is_some()
    }

    /// Waits until the function has asked for an invocation.
    pub(super) async fn asked(&self) {
        // Waiting fails only if the sender is dropped, and the sender lives as long as `self`.
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }
}
