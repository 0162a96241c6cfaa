//! WorkSpaces throttles for a while: how fast the function calls before, meanwhile and afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::description;

use crate::support::{Rig, announced, event, image};

/// Imports in each event.
const RECORDS: usize = 150;

/// What WorkSpaces lets through while it throttles, in calls a second.
const LIMIT: u32 = 10;

const DEADLINE: Duration = Duration::from_secs(6);

/// Invocations, one after another, each with what the last one returned.
struct Workflow {
    rig: Rig,
    event: Value,
}

/// How one invocation went.
struct Invocation {
    throttled: usize,
    /// Calls a second that WorkSpaces saw.
    rate: f64,
    announced: usize,
    unchecked: u64,
}

impl Workflow {
    async fn invoke(&mut self, phase: &str) -> Invocation {
        self.rig.workspaces.clear_calls();
        self.event = self.rig.try_invoke(&self.event, DEADLINE).await.expect("the invocation succeeds");
        let calls = self.rig.workspaces.calls();
        let seconds = calls[calls.len() - 1].at - calls[0].at;
        let invocation = Invocation {
            throttled: calls.iter().filter(|call| call.throttled).count(),
            rate: f64::from(u32::try_from(calls.len()).expect("small")) / seconds.as_secs_f64(),
            announced: self.event["Transitions"].as_array().expect("transitions").len(),
            unchecked: self.event["Unchecked"].as_u64().expect("a number"),
        };
        let Invocation { throttled, rate, announced, unchecked } = invocation;
        println!("| {phase} | {} | {throttled} | {rate:.0} | {announced} | {unchecked} |", calls.len());
        invocation
    }

    /// Every import has a new state from here on.
    fn move_to(&self, state: &str) {
        for image in (0..RECORDS).map(image) {
            self.rig.workspaces.set(&image, description(&image, state));
        }
    }

    fn records(&self) -> &Vec<Value> {
        self.event["Imports"].as_array().expect("records")
    }

    /// Invokes until one invocation has checked everything, and this state of every import is announced.
    async fn invoke_until_all_are(&mut self, state: &str, phase: &str) -> Vec<Invocation> {
        let begun = Instant::now();
        let mut invocations = vec![self.invoke(phase).await];
        while self.event["Unchecked"] != 0 || self.records().iter().any(|record| record["State"] != state) {
            assert!(begun.elapsed() < Duration::from_mins(2), "{phase}: this takes for ever");
            invocations.push(self.invoke(phase).await);
        }
        invocations
    }

    async fn invoke_for(&mut self, seconds: u64, phase: &str) -> Vec<Invocation> {
        let begun = Instant::now();
        let mut invocations = Vec::new();
        while begun.elapsed() < Duration::from_secs(seconds) {
            invocations.push(self.invoke(phase).await);
        }
        invocations
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttling_service_is_called_less_until_it_recovers() {
    let event = event((0..RECORDS).map(|number| json!({"ImageId": image(number), "State": "PENDING"})));
    let mut workflow = Workflow { rig: Rig::new().await, event };
    println!("| WorkSpaces | calls | throttled | calls a second | announced | unchecked |\n|---|---|---|---|---|---|");

    workflow.move_to("VALIDATING");
    let before = workflow.invoke_until_all_are("VALIDATING", "takes all").await;
    workflow.rig.workspaces.set_rate_limit(Some(LIMIT));
    workflow.move_to("GENERALIZING");
    let meanwhile = workflow.invoke_for(12, "throttles").await;
    workflow.rig.workspaces.set_rate_limit(None);
    workflow.move_to("PUBLISHING");
    let after = workflow.invoke_until_all_are("PUBLISHING", "takes all again").await;

    let last = |phase: &[Invocation]| phase.last().expect("one at least").rate;
    let sum = |phase: &[Invocation], of: fn(&Invocation) -> usize| phase.iter().map(of).sum::<usize>();
    assert_eq!(sum(&before, |invocation| invocation.throttled), 0);
    assert!(sum(&meanwhile, |invocation| invocation.throttled) > 0);
    assert!(last(&meanwhile) < last(&before) / 2.0, "less than before");
    assert!(last(&meanwhile) < 2.0 * f64::from(LIMIT), "about what the service lets through");
    assert!(sum(&meanwhile, |invocation| invocation.announced) > 0, "some get through meanwhile");
    assert!(meanwhile.iter().any(|invocation| invocation.unchecked > 0), "others are left for the next invocation");
    assert_eq!(sum(&after, |invocation| invocation.throttled), 0);
    assert!(last(&after) > 2.0 * last(&meanwhile), "it recovers");

    // Each state that an import was seen in is announced once, in order; what came and went between two looks is not.
    let published = announced(&workflow.rig.sns);
    for record in workflow.records() {
        let image = record["ImageId"].as_str().expect("an id");
        let of_it: Vec<&String> = published.iter().filter(|id| id.starts_with(image)).collect();
        let seen: &[_] = match of_it.len() {
            3 => &["VALIDATING", "GENERALIZING", "PUBLISHING"],
            _ => &["VALIDATING", "PUBLISHING"],
        };
        let expected: Vec<String> = (1..).zip(seen).map(|(n, state)| format!("{image}#{n}:{state}")).collect();
        assert_eq!(of_it, expected.iter().collect::<Vec<_>>());
    }
}
