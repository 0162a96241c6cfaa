//! WorkSpaces throttles for a while: how fast the function calls it before, during and after that.
//!
//! `cargo test --locked --test it load::throttling:: -- --nocapture`

use std::time::{Duration, Instant};

use fake_aws::description;
use serde_json::{Value, json};

use crate::support::{Rig, announced, event, image, imports};

/// Imports in each event.
const RECORDS: usize = 150;

/// How many calls per second WorkSpaces accepts while it throttles.
const LIMIT: u32 = 10;

const DEADLINE: Duration = Duration::from_secs(6);

/// A sequence of invocations, each with the response of the previous one.
struct Workflow {
    rig: Rig,
    event: Value,
}

/// What happened in one invocation.
struct Invocation {
    /// Calls that WorkSpaces throttled.
    throttled: usize,
    /// Calls per second.
    rate: f64,
    announced: usize,
    unchecked: u64,
}

impl Workflow {
    /// Invokes the function once and prints a row of the table.
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

    /// Sets the state of all imports.
    fn set_states(&self, state: &str) {
        for image in (0..RECORDS).map(image) {
            self.rig.workspaces.set(&image, description(&image, state));
        }
    }

    /// Invokes the function until an invocation checks all imports and this state of each is announced.
    async fn invoke_until_all_are(&mut self, state: &str, phase: &str) -> Vec<Invocation> {
        let begun = Instant::now();
        let mut invocations = vec![self.invoke(phase).await];
        while self.event["Unchecked"] != 0 || imports(&self.event).iter().any(|record| record["State"] != state) {
            assert!(begun.elapsed() < Duration::from_mins(2), "{phase}: the imports take too long");
            invocations.push(self.invoke(phase).await);
        }
        invocations
    }

    /// Invokes the function for this time.
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
    println!(
        "| WorkSpaces | calls | throttled | calls per second | announced | unchecked |\n|---|---|---|---|---|---|"
    );

    workflow.set_states("VALIDATING");
    let before = workflow.invoke_until_all_are("VALIDATING", "accepts all").await;
    workflow.rig.workspaces.set_rate_limit(Some(LIMIT));
    workflow.set_states("GENERALIZING");
    let during = workflow.invoke_for(12, "throttles").await;
    workflow.rig.workspaces.set_rate_limit(None);
    workflow.set_states("PUBLISHING");
    let after = workflow.invoke_until_all_are("PUBLISHING", "accepts all again").await;

    let last = |phase: &[Invocation]| phase.last().expect("at least one invocation").rate;
    let sum = |phase: &[Invocation], of: fn(&Invocation) -> usize| phase.iter().map(of).sum::<usize>();
    assert_eq!(sum(&before, |invocation| invocation.throttled), 0);
    assert!(sum(&during, |invocation| invocation.throttled) > 0);
    assert!(last(&during) < last(&before) / 2.0, "the rate is less than before");
    assert!(last(&during) < 2.0 * f64::from(LIMIT), "the rate is about what the service accepts");
    assert!(sum(&during, |invocation| invocation.announced) > 0, "some imports are announced meanwhile");
    assert!(during.iter().any(|invocation| invocation.unchecked > 0), "others wait for the next invocation");
    assert_eq!(sum(&after, |invocation| invocation.throttled), 0);
    assert!(last(&after) > 2.0 * last(&during), "the rate recovers");

    // Each state that a check found is announced once, in order. A state between two checks is not announced.
    let published = announced(&workflow.rig.sns);
    for record in imports(&workflow.event) {
        let image = record["ImageId"].as_str().expect("an ID");
        let ids: Vec<&String> = published.iter().filter(|id| id.starts_with(image)).collect();
        let states: &[_] = match ids.len() {
            3 => &["VALIDATING", "GENERALIZING", "PUBLISHING"],
            _ => &["VALIDATING", "PUBLISHING"],
        };
        let expected: Vec<String> = (1..).zip(states).map(|(n, state)| format!("{image}#{n}:{state}")).collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>());
    }
}
