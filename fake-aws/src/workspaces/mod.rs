//! Amazon `WorkSpaces`, limited to image imports, listing images, and creating bundles. The emulators that the tests
//! use do not support these operations.

mod answer;
mod creation;
mod description;
mod listing;
mod traffic;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
    time::{Duration, Instant},
};

use ::http::HeaderMap;
use serde_json::Value;

pub use self::{
    answer::Answer,
    description::{DescriptionBody, STATES, description},
    listing::ListCall,
};
use self::{
    answer::Plan,
    creation::Creation,
    traffic::{Concurrency, RateLimit},
};
use crate::{
    http::{Reply, Request, pause},
    lock,
    service::{FakeService, Handle},
};

/// Serves `DescribeCustomWorkspaceImageImport` with answers defined per image and `DescribeWorkspaceImages` with the
/// images that have such answers, and records every call.
///
/// `ImportCustomWorkspaceImage` and `CreateWorkspaceBundle` succeed, unless an answer is defined for the name of the
/// image or the bundle. Any other operation returns `UnknownOperationException`.
pub type WorkSpaces = FakeService<Backend>;

/// A call of `DescribeCustomWorkspaceImageImport` that was received.
#[derive(Clone, Debug)]
pub struct Call {
    /// The requested image.
    pub image_id: String,
    /// When the call arrived.
    pub at: Instant,
    /// The headers, including `User-Agent` and the SDK's retry counts.
    pub headers: HeaderMap,
    /// Whether the [rate limit](WorkSpaces::set_rate_limit) rejected the call.
    pub throttled: bool,
}

/// The answers to give and the calls received.
#[derive(Debug, Default)]
pub struct Backend {
    answers: Mutex<Answers>,
    calls: Mutex<Vec<Call>>,
    list_calls: Mutex<Vec<ListCall>>,
    /// The valid requests to create an image or a bundle, each with the name in it.
    creations: Mutex<Vec<(String, Value)>>,
    concurrency: Concurrency,
}

#[derive(Debug)]
struct Answers {
    /// By image ID.
    plans: HashMap<String, Plan>,
    /// For images without a plan.
    default: Answer,
    /// The states in which images are listed, by image ID, whatever their plans say. `None`: not at all.
    listed: BTreeMap<String, Option<String>>,
    /// The names with which images are listed, by image ID.
    names: HashMap<String, String>,
    /// For the next calls that list images. `None`: a page.
    listings: VecDeque<Option<Answer>>,
    /// The maximum number of images per page.
    page_size: usize,
    latency: Duration,
    rate_limit: Option<RateLimit>,
}

impl WorkSpaces {
    /// Answers every call for this image with this answer.
    pub fn set(&self, image_id: &str, answer: impl Into<Answer>) {
        self.script(image_id, [answer.into()]);
    }

    /// Answers the next calls for this image with these answers, one each. The last one also answers all further calls.
    pub fn script(&self, image_id: &str, answers: impl IntoIterator<Item = Answer>) {
        self.plan(image_id, Plan::Script(answers.into_iter().collect()));
    }

    /// Answers calls for this image by time: each answer applies from its offset, counted from now, until the next one.
    /// Before the first, the default answer applies.
    pub fn timeline(&self, image_id: &str, answers: Vec<(Duration, Answer)>) {
        self.plan(image_id, Plan::timeline(Instant::now(), answers));
    }

    fn plan(&self, image_id: &str, plan: Plan) {
        lock(&self.backend.answers).plans.insert(image_id.to_owned(), plan);
    }

    /// Sets the answer for images without one of their own. Initially, this is [`Answer::NotFound`].
    pub fn set_default(&self, answer: impl Into<Answer>) {
        lock(&self.backend.answers).default = answer.into();
    }

    /// Delays every answer by `latency`, in addition to its own delay.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.backend.answers).latency = latency;
    }

    /// Limits calls to this rate, with a burst of one second's worth, or removes the limit. Calls beyond it return a
    /// 400 `ThrottlingException`. They do not use up scripted answers.
    pub fn set_rate_limit(&self, per_second: Option<u32>) {
        lock(&self.backend.answers).rate_limit = per_second.map(|rate| RateLimit::new(rate, Instant::now()));
    }

    /// Lists this image in this state (`PENDING`, `AVAILABLE` or `ERROR`), or not at all. An image that has an answer
    /// of its own is otherwise listed in the state that follows from its next answer, and other images are not listed.
    pub fn list(&self, image_id: &str, state: Option<&str>) {
        lock(&self.backend.answers).listed.insert(image_id.to_owned(), state.map(str::to_owned));
    }

    /// Lists this image with this name. Other images are listed without one.
    pub fn set_name(&self, image_id: &str, name: &str) {
        lock(&self.backend.answers).names.insert(image_id.to_owned(), name.to_owned());
    }

    /// Adds an image that was made in another way: listed as `PENDING`, and without an import.
    pub fn add_other_image(&self, image_id: &str) {
        self.set(image_id, Answer::NotFound);
        self.list(image_id, Some("PENDING"));
    }

    /// Gives these answers to the next calls that list images, one each. `None` is a page of images. The last one also
    /// answers all further calls.
    pub fn script_listing(&self, answers: impl IntoIterator<Item = Option<Answer>>) {
        lock(&self.backend.answers).listings = answers.into_iter().collect();
    }

    /// Limits the pages of listed images to this many images.
    pub fn set_page_size(&self, images: usize) {
        lock(&self.backend.answers).page_size = images;
    }

    /// Every call that listed images since the start or the last [`clear_calls`](Self::clear_calls), in order of
    /// arrival.
    #[must_use]
    pub fn list_calls(&self) -> Vec<ListCall> {
        lock(&self.backend.list_calls).clone()
    }

    /// Every call that described an import since the start or the last [`clear_calls`](Self::clear_calls), in order of
    /// arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.backend.calls).clone()
    }

    /// The number of those calls for this image.
    #[must_use]
    pub fn calls_of(&self, image_id: &str) -> usize {
        lock(&self.backend.calls).iter().filter(|call| call.image_id == image_id).count()
    }

    /// The valid requests to create an image or a bundle of this name, in order of arrival.
    #[must_use]
    pub fn creations_of(&self, name: &str) -> Vec<Value> {
        let creations = lock(&self.backend.creations);
        creations.iter().filter(|(created, _)| created == name).map(|(_, request)| request.clone()).collect()
    }

    /// The maximum number of concurrent calls since the start. A call ends when its caller disconnects.
    #[must_use]
    pub fn peak_concurrency(&self) -> usize {
        self.backend.concurrency.peak()
    }

    /// Discards the recorded calls. The answers and the peak concurrency stay.
    pub fn clear_calls(&self) {
        lock(&self.backend.calls).clear();
        lock(&self.backend.list_calls).clear();
    }
}

impl Handle for Backend {
    async fn handle(&self, request: Request) -> Reply {
        let _running = self.concurrency.enter();
        let operation = request.operation();
        if let Some(creation) = Creation::named(&operation) {
            return self.create(creation, &request.body).when_due().await;
        }
        if !matches!(operation.as_str(), "DescribeCustomWorkspaceImageImport" | "DescribeWorkspaceImages") {
            let message = format!("The simulator does not support the operation {operation:?}.");
            return Reply::aws_error(400, "UnknownOperationException", &message);
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Reply::aws_error(400, "SerializationException", "The body is not JSON.");
        };
        if operation == "DescribeWorkspaceImages" {
            return self.list(&body, request.headers).await;
        }
        let Some(image_id) = body.get("ImageId").and_then(Value::as_str) else {
            return Reply::aws_error(400, "ValidationException", "ImageId is required.");
        };
        let at = Instant::now();
        let throttled = lock(&self.answers).rate_limit.as_mut().is_some_and(|limit| !limit.admits(at));
        let call = Call { image_id: image_id.to_owned(), at, headers: request.headers, throttled };
        lock(&self.calls).push(call);
        if throttled {
            return Reply::aws_error(400, "ThrottlingException", "Rate exceeded");
        }
        let (latency, answer) = self.next(image_id);
        pause(latency).await;
        // The server would wait, too, but then the call would no longer count as concurrent.
        answer.into_reply(image_id).when_due().await
    }
}

impl Backend {
    /// Answers a call that creates an image or a bundle.
    fn create(&self, creation: Creation, body: &[u8]) -> Reply {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Reply::aws_error(400, "SerializationException", "The body is not JSON.");
        };
        let name = match creation.name_in(&body) {
            Ok(name) => name,
            Err(message) => return Reply::aws_error(400, "ValidationException", &message),
        };
        let planned = lock(&self.answers).plans.get_mut(&name).and_then(|plan| plan.next(Instant::now()));
        let number = {
            let mut creations = lock(&self.creations);
            creations.push((name.clone(), body.clone()));
            creations.len()
        };
        match planned {
            Some(answer) => answer.into_reply(&name),
            None => Reply::json(200, &creation.response(&body, number)),
        }
    }

    fn next(&self, image_id: &str) -> (Duration, Answer) {
        let mut answers = lock(&self.answers);
        let planned = answers.plans.get_mut(image_id).and_then(|plan| plan.next(Instant::now()));
        (answers.latency, planned.unwrap_or_else(|| answers.default.clone()))
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            plans: HashMap::new(),
            default: Answer::NotFound,
            listed: BTreeMap::new(),
            names: HashMap::new(),
            listings: VecDeque::new(),
            page_size: listing::MAX_RESULTS,
            latency: Duration::ZERO,
            rate_limit: None,
        }
    }
}

#[cfg(test)]
mod tests;
