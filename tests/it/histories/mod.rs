//! Random histories of imports, while SNS and DynamoDB fail, processes are killed, and invocations overlap. When all is
//! quiet again, what was seen last is what was announced last.
//!
//! ```sh
//! cargo test --locked --test it histories:: -- --nocapture                 # prints what happened, and the seed
//! IMAGES=1000 cargo test --locked --test it histories:: -- --nocapture     # imports more images
//! SEED=1234 cargo test --locked --test it histories:: -- --nocapture       # repeats the random choices of a run
//! ```
//!
//! A seed repeats the histories and the faults, but not the speed of the machine, nor the images that an invocation
//! chooses if it has no room for all.

mod image;
mod process;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use fake_aws::{Published, Sns, SnsAnswer, WorkSpaces};
use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::json;
use tokio::{join, sync::mpsc::UnboundedReceiver};

use self::{
    image::Image,
    process::{Calls, FAULTS, INCIDENTS, Incident, NO_FAULT, Process, Tally},
};
use crate::support::{
    Setup,
    emulator::{Table, ministack},
    imports, minutes_ago, number_from_env,
};

/// How many images to import, unless `IMAGES` says otherwise.
const IMAGES: usize = 60;

/// The most rounds until each import has reached its end. Half as many are enough for thousands of images.
const MAX_ROUNDS: usize = 60;

/// The most invocations that may be needed once nothing fails anymore.
const LAST_INVOCATIONS: usize = 50;

/// The services and the images, which outlive each process.
struct World {
    workspaces: WorkSpaces,
    sns: Sns,
    /// What SNS accepts.
    messages: UnboundedReceiver<Published>,
    table: Table,
    images: BTreeMap<String, Image>,
    rng: Rng,
    tally: Tally,
}

impl World {
    async fn new(images: usize, mut rng: Rng) -> Self {
        let sns = Sns::start().await.expect("the simulator starts");
        let images = (0..images).map(|number| Image::new(number, &mut rng));
        Self {
            workspaces: WorkSpaces::start().await.expect("the simulator starts"),
            messages: sns.subscribe(),
            sns,
            table: ministack().table().await,
            images: images.map(|image| (image.id.clone(), image)).collect(),
            rng,
            tally: Tally::default(),
        }
    }

    async fn start(&mut self, fault: &'static str, incident: Option<Incident>) -> Process {
        // There is room for half of the images in an invocation. The others wait for the next one.
        let bytes = (self.images.len() * 256).max(16_384);
        // In adaptive mode, a table that throttles would hold back the process for most of its time.
        let setup =
            Setup::with(self.workspaces.clone(), self.sns.clone()).two_attempts().set("AWS_RETRY_MODE", "standard");
        let setup = setup.set("LEDGER_TABLE", &self.table.name).set("MAX_RESPONSE_BYTES", &bytes.to_string());
        let calls = Calls::new(fault, incident, self.rng.fork(), &self.sns, &self.tally);
        Process::start(setup, &ministack().url, calls).await
    }

    /// Some imports move on, and up to three invocations check them: the others start once the first one has met its
    /// incident, and a call that is held waits for them.
    async fn round(&mut self, number: usize) {
        for image in self.images.values_mut() {
            image.move_on(self.rng.usize(..3), &self.workspaces);
        }
        let fault = FAULTS[number % FAULTS.len()];
        // Each incident comes at the first call, and in later rounds also at later ones.
        let call = 1 + self.rng.usize(..=number / INCIDENTS.len());
        let incident = INCIDENTS[number % INCIDENTS.len()].map(|(kind, at)| Incident { kind, at, call });
        let has_incident = incident.is_some();
        // In the first rounds, nothing else happens to the process of an incident, so that it surely gets that far.
        let is_spared = has_incident && number < INCIDENTS.len();
        let first = self.start(if is_spared { NO_FAULT } else { fault }, incident).await;
        let mut others = Vec::new();
        for _ in 0..(number + 1) % 3 {
            others.push(self.start(fault, None).await);
        }
        let calls = Arc::clone(&first.calls);
        join!(first.run(), async {
            if has_incident {
                calls.met.notified().await;
            }
            join_all(others.into_iter().map(Process::run)).await;
            calls.release.notify_one();
        });
        self.observe();
    }

    /// Takes note of what was described and announced since the last time.
    fn observe(&mut self) {
        let mut described = BTreeMap::<String, usize>::new();
        for call in self.workspaces.calls() {
            *described.entry(call.image_id).or_default() += 1;
        }
        self.workspaces.clear_calls();
        for (id, calls) in described {
            self.images.get_mut(&id).expect("an image of this test").was_described(calls);
        }
        while let Ok(message) = self.messages.try_recv() {
            let message = message.json();
            let image = self.images.get_mut(message["ImageId"].as_str().expect("an ID"));
            let is_repeat = image.expect("an image of this test").deliver(&message);
            self.tally.add(if is_repeat { "repeats" } else { "announcements" }, 1);
        }
    }

    /// Nothing moves or fails anymore. Invokes the function until it has nothing left to do.
    async fn settle(&mut self) {
        self.images.values_mut().for_each(|image| image.move_on(0, &self.workspaces));
        self.sns.set(SnsAnswer::Take);
        let process = self.start(NO_FAULT, None).await;
        for _ in 0..LAST_INVOCATIONS {
            let response = process.rig.invoke(json!({"Discover": true})).await;
            self.tally.add("invocations", 1);
            self.observe();
            if imports(&response).is_empty() && response["Undiscovered"].is_null() {
                return;
            }
            // An image is announced as not found once it has been missing for 15 minutes.
            for record in imports(&response).iter().filter(|record| !record["Missing"].is_null()) {
                let id = record["ImageId"].as_str().expect("an ID");
                self.table.has_been_missing(id, &minutes_ago(16)).await;
            }
        }
        panic!("not finished after {LAST_INVOCATIONS} invocations without a fault");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_last_is_announced_last_whatever_goes_wrong() {
    let images = number_from_env("IMAGES").unwrap_or(IMAGES);
    let seed = number_from_env("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed} repeats the histories and the faults");
    let begun = Instant::now();
    let mut world = World::new(images, Rng::with_seed(seed)).await;
    let mut rounds = 0;
    // Each fault and each incident occurs at least twice.
    while rounds < 2 * FAULTS.len() || !world.images.values().all(Image::is_at_its_end) {
        assert!(rounds < MAX_ROUNDS, "some imports cannot end, because they were never announced");
        world.round(rounds).await;
        rounds += 1;
    }
    world.settle().await;
    for image in world.images.values() {
        image.assert_told(&world.table.json(&image.id).await.unwrap_or_default());
    }
    let counts = world.tally.counts();
    println!("{images} images, {rounds} rounds in {:?}: {counts:?}", begun.elapsed());
    let incidents = INCIDENTS.iter().flatten().map(|(kind, step)| format!("{kind:?} at {step}"));
    let others = FAULTS.iter().chain(&["lost writes", "repeats", "left for later"]).map(ToString::to_string);
    for event in incidents.chain(others) {
        assert!(counts.get(&event) > Some(&0), "this never happened: {event}");
    }
}
