//! Lists images, page by page.

use std::{collections::BTreeMap, time::Instant};

use ::http::HeaderMap;
use serde_json::{Value, json};

use super::{Answer, Answers, Backend};
use crate::{
    http::{Reply, pause},
    lock,
};

/// The maximum number of images per page:
/// <https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeWorkspaceImages.html>.
pub(super) const MAX_RESULTS: usize = 25;

/// A call of `DescribeWorkspaceImages` that was received.
#[derive(Clone, Debug)]
pub struct ListCall {
    /// The request.
    pub request: Value,
    /// When the call arrived.
    pub at: Instant,
    /// The headers.
    pub headers: HeaderMap,
}

impl Backend {
    /// Answers a call with the next answer of the script, or with a page of images in the order of their IDs.
    pub(super) async fn list(&self, request: &Value, headers: HeaderMap) -> Reply {
        let at = Instant::now();
        lock(&self.list_calls).push(ListCall { request: request.clone(), at, headers });
        let (latency, reply) = {
            let mut answers = lock(&self.answers);
            let scripted = if answers.listings.len() > 1 {
                answers.listings.pop_front()
            } else {
                answers.listings.front().cloned()
            };
            let reply = match scripted.flatten() {
                Some(answer) => answer.into_reply("list"),
                None => answers.page(request, at),
            };
            (answers.latency, reply)
        };
        pause(latency).await;
        reply.when_due().await
    }
}

impl Answers {
    /// The images of the account, with their states.
    fn images(&self, now: Instant) -> BTreeMap<&str, &str> {
        // The answers to a creation have the name of the image or bundle in place of an ID.
        let plans = self.plans.iter().filter(|(id, _)| id.starts_with("wsi-"));
        let planned = plans.filter_map(|(id, plan)| Some((id.as_str(), listed_state(plan.peek(now)?)?)));
        let mut images: BTreeMap<&str, &str> = planned.collect();
        for (id, state) in &self.listed {
            match state {
                Some(state) => images.insert(id, state),
                None => images.remove(id.as_str()),
            };
        }
        images
    }

    fn page(&self, request: &Value, now: Instant) -> Reply {
        if request["ImageType"] == "SHARED" {
            return Reply::json(200, &json!({"Images": []}));
        }
        let max_results = match &request["MaxResults"] {
            Value::Null => MAX_RESULTS,
            limit => match limit.as_u64().and_then(|limit| usize::try_from(limit).ok()) {
                Some(limit @ 1..=MAX_RESULTS) => limit,
                _ => return Reply::aws_error(400, "ValidationException", "MaxResults must be from 1 to 25."),
            },
        };
        // The token is the ID of the page's first image.
        let start = request["NextToken"].as_str().unwrap_or_default();
        let size = max_results.min(self.page_size);
        let images = self.images(now);
        let mut rest = images.range(start..);
        let image = |(id, state): (&&str, &&str)| match self.names.get(*id) {
            Some(name) => json!({"ImageId": id, "Name": name, "State": state}),
            None => json!({"ImageId": id, "State": state}),
        };
        let page: Vec<Value> = rest.by_ref().take(size).map(image).collect();
        let mut body = json!({"Images": page});
        if let Some((next, _)) = rest.next() {
            body["NextToken"] = json!(next);
        }
        Reply::json(200, &body)
    }
}

/// The state in which an image is listed whose import is described like this. `None` if there is no such image.
fn listed_state(answer: &Answer) -> Option<&'static str> {
    match answer {
        Answer::Description(body) => Some(match body["State"].as_str() {
            Some("COMPLETED") => "AVAILABLE",
            Some("ERROR") => "ERROR",
            _ => "PENDING",
        }),
        Answer::After(_, then) => listed_state(then),
        Answer::NotFound => None,
        // Nothing but describing the import fails.
        Answer::Error { .. } | Answer::Fault(_) | Answer::Raw(_) => Some("PENDING"),
    }
}
