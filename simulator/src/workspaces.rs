//! Amazon `WorkSpaces`, as far as it describes image imports. No emulator has that operation.

mod answer;
mod description;
mod load;
mod plan;
mod rate_limit;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use ::http::HeaderMap;
use serde_json::Value;

pub use self::{
    answer::Answer,
    description::{DescriptionBody, STATES, description},
};
use self::{load::Load, plan::Plan, rate_limit::RateLimit};
use crate::{
    http::{Reply, Request, Server},
    lock::lock,
    pause::pause,
    tls::Tls,
};

/// Serves `DescribeCustomWorkspaceImageImport` from answers laid down per image, and remembers who asked. Any other
/// operation is an `UnknownOperationException`.
#[derive(Clone, Debug)]
pub struct WorkSpaces {
    state: Arc<State>,
    server: Arc<Server>,
}

/// One call that was made.
#[derive(Clone, Debug)]
pub struct Call {
    /// The image asked for.
    pub image_id: String,
    /// When the call came in.
    pub at: Instant,
    /// Its headers, `User-Agent` and retry counts among them.
    pub headers: HeaderMap,
    /// Whether the [rate limit](WorkSpaces::set_rate_limit) refused it.
    pub throttled: bool,
}

impl WorkSpaces {
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

    /// The endpoint, for `AWS_ENDPOINT_URL_WORKSPACES`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What serves it, to be asked about connections.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Every further call for this image is answered so.
    pub fn set(&self, image_id: &str, answer: impl Into<Answer>) {
        self.script(image_id, [answer.into()]);
    }

    /// Further calls for this image take these one after another; the last one stays.
    pub fn script(&self, image_id: &str, answers: impl IntoIterator<Item = Answer>) {
        self.plan(image_id, Plan::Script(answers.into_iter().collect()));
    }

    /// Answers for this image by time: each holds from its offset after now. Before the first, it is the default.
    pub fn timeline(&self, image_id: &str, answers: Vec<(Duration, Answer)>) {
        self.plan(image_id, Plan::timeline(Instant::now(), answers));
    }

    fn plan(&self, image_id: &str, plan: Plan) {
        lock(&self.state.said).plans.insert(image_id.to_owned(), plan);
    }

    /// What images that nobody scripted get; [`Answer::NotFound`] unless said otherwise.
    pub fn set_default(&self, answer: impl Into<Answer>) {
        lock(&self.state.said).default = answer.into();
    }

    /// Every answer waits so long, on top of its own delay.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.state.said).latency = latency;
    }

    /// Calls beyond so many a second, and a burst of as many, are each a 400 `ThrottlingException`, which uses up
    /// nothing that was scripted. `None`: as many as come.
    pub fn set_rate_limit(&self, per_second: Option<u32>) {
        lock(&self.state.said).rate_limit = per_second.map(|rate| RateLimit::new(rate, Instant::now()));
    }

    /// Every call since the start or the last [`clear_calls`](Self::clear_calls), in order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state.calls).clone()
    }

    /// How many of them asked for this image.
    #[must_use]
    pub fn calls_of(&self, image_id: &str) -> usize {
        lock(&self.state.calls).iter().filter(|call| call.image_id == image_id).count()
    }

    /// The most calls that were under way at once so far. A call that a caller has left is none.
    #[must_use]
    pub fn peak_concurrency(&self) -> usize {
        self.state.load.peak()
    }

    /// Forgets the calls, but neither the answers nor the peak.
    pub fn clear_calls(&self) {
        lock(&self.state.calls).clear();
    }
}

#[derive(Debug, Default)]
struct State {
    said: Mutex<Said>,
    calls: Mutex<Vec<Call>>,
    load: Load,
}

#[derive(Debug)]
struct Said {
    plans: HashMap<String, Plan>,
    default: Answer,
    latency: Duration,
    rate_limit: Option<RateLimit>,
}

impl Default for Said {
    fn default() -> Self {
        Self { plans: HashMap::new(), default: Answer::NotFound, latency: Duration::ZERO, rate_limit: None }
    }
}

impl State {
    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let _under_way = self.load.enter();
        let operation = request.operation();
        if operation != "DescribeCustomWorkspaceImageImport" {
            return Reply::aws_error(400, "UnknownOperationException", &format!("No operation {operation:?} here."));
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Reply::aws_error(400, "SerializationException", "The body is not JSON.");
        };
        let Some(image_id) = body.get("ImageId").and_then(Value::as_str) else {
            return Reply::aws_error(400, "ValidationException", "ImageId is required.");
        };
        let at = Instant::now();
        let throttled = lock(&self.said).rate_limit.as_mut().is_some_and(|limit| !limit.admits(at));
        let call = Call { image_id: image_id.to_owned(), at, headers: request.headers, throttled };
        lock(&self.calls).push(call);
        if throttled {
            return Reply::aws_error(400, "ThrottlingException", "Rate exceeded");
        }
        let (latency, answer) = self.next(image_id);
        pause(latency).await;
        // Waiting here and not in the server keeps the call under way.
        answer.into_reply(image_id).when_due().await
    }

    fn next(&self, image_id: &str) -> (Duration, Answer) {
        let mut said = lock(&self.said);
        let planned = said.plans.get_mut(image_id).and_then(|plan| plan.next(Instant::now()));
        (said.latency, planned.unwrap_or_else(|| said.default.clone()))
    }
}

#[cfg(test)]
mod tests;
