//! Kills the function at random points of its invocations and checks what its subscribers and the ledger have
//! afterwards.
//!
//! ```sh
//! cargo test --locked --test it crashes:: -- --nocapture              # prints where the kills hit, and the seed
//! KILLS=500 cargo test --locked --test it crashes:: -- --nocapture    # kills more invocations
//! SEED=1234 cargo test --locked --test it crashes:: -- --nocapture    # repeats the random choices of a run
//! ```
//!
//! A seed repeats the states, the latencies and the moments of the kills, but not the speed of the machine. A kill can
//! therefore hit another point of its invocation.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use fake_aws::{Act, Proxy, Sns, WorkSpaces, description};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::{
    Rig, Setup,
    emulator::{Queue, Table, ministack},
    event, image, imports, number_from_env,
};

/// How many invocations to kill before they respond, unless `KILLS` says otherwise.
const KILLS: usize = 50;

/// Images in each event. They are usually at different points when the kill comes.
const IMAGES: usize = 3;

/// The most invocations to start for each one that is killed before it responds.
const ATTEMPTS: usize = 10;

/// The longest delay of a write or a publish, in milliseconds. Without delays, almost no kill would fall between two
/// calls.
const LATENCY_MS: u64 = 40;

const STATES: [&str; 4] = ["PENDING", "VALIDATING", "GENERALIZING", "PUBLISHING"];

/// Where a kill can hit, from the view of one image.
const WINDOWS: [&str; 4] = ["nothing done yet", "owed, not published", "published, not marked", "marked, no response"];

/// One image: the states that it went through, and what the subscriber and the ledger have of it so far.
struct Image {
    id: String,
    /// The states that WorkSpaces returned.
    history: Vec<&'static str>,
    /// The ID of each announcement, by `Sequence` from 1, in the order of first deliveries.
    ids: Vec<String>,
    /// The state in each of these announcements.
    announced: Vec<Value>,
    /// How often each `Sequence` was delivered.
    deliveries: BTreeMap<u64, usize>,
    /// The ledger's item.
    item: Value,
}

impl Image {
    fn new(number: usize) -> Self {
        let (ids, announced, deliveries) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { id: image(number), history: Vec::new(), ids, announced, deliveries, item: Value::Null }
    }

    fn move_to(&mut self, state: &'static str, workspaces: &WorkSpaces) {
        workspaces.set(&self.id, description(&self.id, state));
        self.history.push(state);
    }

    fn move_on(&mut self, rng: &mut Rng, workspaces: &WorkSpaces) {
        let others: Vec<_> = STATES.into_iter().filter(|state| self.history.last() != Some(state)).collect();
        self.move_to(others[rng.usize(..others.len())], workspaces);
    }

    /// Takes an announcement from the queue. First deliveries have consecutive numbers. Any other is a repeat.
    fn deliver(&mut self, announcement: &Value) {
        let number = announcement["Sequence"].as_u64().expect("a number");
        let id = announcement["TransitionId"].as_str().expect("an ID").to_owned();
        let last = self.ids.len() as u64;
        assert!((1..=last + 1).contains(&number), "{id} was delivered after number {last}");
        if number == last + 1 {
            self.ids.push(id);
            self.announced.push(announcement["To"].clone());
        } else {
            let known = &self.ids[usize::try_from(number - 1).expect("small")];
            assert_eq!(&id, known, "repeats have the same ID");
        }
        *self.deliveries.entry(number).or_default() += 1;
    }

    /// Returns the last number that the ledger has as published.
    fn marked(&self) -> u64 {
        self.item["Sequence"].as_u64().unwrap_or_default()
    }

    /// Reads the item again. Returns the window in which the invocation since the last read ended: an index of
    /// `WINDOWS`.
    async fn read_item(&mut self, table: &Table, deliveries_before: &BTreeMap<u64, usize>) -> usize {
        let item = table.json(&self.id).await.unwrap_or_default();
        let (before, owed_before) = (self.marked(), self.item["Owed"].clone());
        self.item = item;
        let (after, last) = (self.marked(), self.ids.len() as u64);
        assert!(after >= before, "{}: the ledger went back from {before} to {after}", self.id);
        assert!(
            after <= last,
            "{}: {after} is marked as published, but {last} is the last that was delivered",
            self.id
        );
        if let Some(owed) = self.item["Owed"]["Sequence"].as_u64() {
            assert_eq!(owed, after + 1, "the owed announcement has the next number");
            assert!(last <= owed, "{}: {last} was delivered, but only {owed} is owed", self.id);
            // An announcement that was already owed counts only if this invocation published it.
            let published = self.deliveries.get(&owed) > deliveries_before.get(&owed);
            if published { 2 } else { usize::from(self.item["Owed"] != owed_before) }
        } else {
            assert_eq!(after, last, "{}: nothing is owed, so all deliveries are marked as published", self.id);
            if after > before { 3 } else { 0 }
        }
    }

    /// Asserts that a response agrees with the deliveries and with the ledger.
    fn assert_agrees(&self, response: &Value) {
        let record = imports(response)
            .iter()
            .find(|record| record["ImageId"] == self.id.as_str())
            .expect("the record of the image");
        assert_eq!(record["CheckError"], Value::Null, "{record}");
        if !record["Owed"].is_null() {
            // This check has published what a killed one owed, and the import has moved on since.
            let shown =
                json!([record["State"], record["Description"]["State"], record["Sequence"].as_u64().map(|n| n + 1)]);
            let owed = &record["Owed"];
            assert_eq!(json!([owed["From"], owed["To"], owed["Sequence"]]), shown, "{record}");
        }
        assert_eq!(self.item["Owed"]["Sequence"], record["Owed"]["Sequence"], "{record}");
        assert_eq!(record["Sequence"], self.ids.len() as u64, "the number of the last delivery: {record}");
        assert_eq!(Some(&record["State"]), self.announced.last(), "{record}");
        assert_eq!(json!([self.item["Sequence"], self.item["State"]]), json!([record["Sequence"], record["State"]]));
        for transition in response["Transitions"].as_array().expect("transitions") {
            if transition["ImageId"] == self.id.as_str() {
                assert_eq!(
                    Some(transition["TransitionId"].as_str().expect("an ID")),
                    self.ids.last().map(String::as_str)
                );
            }
        }
    }

    /// Asserts that all announced states are real and in order. States between two checks may be missing.
    fn assert_announced_states_are_real(&self) {
        let mut real = self.history.iter();
        for to in &self.announced {
            assert!(real.any(|state| to == state), "{}: {:?} in {:?}", self.id, self.announced, self.history);
        }
        assert_eq!(self.announced.last(), Some(&json!("COMPLETED")));
    }
}

/// The services and the images, which outlive each function.
struct Crashes {
    workspaces: WorkSpaces,
    proxy: Proxy,
    topic: String,
    queue: Queue,
    table: Table,
    images: Vec<Image>,
    event: Value,
}

impl Crashes {
    async fn new(seed: u64) -> Self {
        let emulator = ministack();
        let topic = emulator.topic(false).await;
        let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
        let latency = Mutex::new(Rng::with_seed(seed));
        proxy.on(move |operation, _| match operation {
            "BatchGetItem" => Act::Forward,
            _ => Act::Delay(Duration::from_millis(latency.lock().expect("not poisoned").u64(..LATENCY_MS))),
        });
        Self {
            workspaces: WorkSpaces::start().await.expect("the simulator starts"),
            proxy,
            queue: emulator.subscribe(&topic, None).await,
            topic,
            table: emulator.table().await,
            images: (0..IMAGES).map(Image::new).collect(),
            event: event((0..IMAGES).map(|number| json!({"ImageId": image(number)}))),
        }
    }

    async fn start(&self) -> Rig {
        // Announcements go to the emulator instead of the simulator of SNS.
        let sns = Sns::start().await.expect("the simulator starts");
        let (stage, url) = (Setup::with(self.workspaces.clone(), sns), self.proxy.url());
        let stage = stage.set("TOPIC_ARN", &self.topic).set("AWS_ENDPOINT_URL_SNS", &url);
        let stage = stage.set("LEDGER_TABLE", &self.table.name);
        let rig = stage.set("AWS_ENDPOINT_URL_DYNAMODB", &url).start().await;
        rig.ready().await;
        rig
    }

    /// Receives what was delivered. Returns the window in which the invocation ended, for each image.
    async fn observe(&mut self) -> Vec<usize> {
        let before: Vec<_> = self.images.iter().map(|image| image.deliveries.clone()).collect();
        for announcement in self.queue.arrived().await {
            let image = self.images.iter_mut().find(|image| announcement["ImageId"] == image.id.as_str());
            image.expect("an image of this test").deliver(&announcement);
        }
        let mut windows = Vec::new();
        for (image, before) in self.images.iter_mut().zip(&before) {
            windows.push(image.read_item(&self.table, before).await);
        }
        windows
    }

    /// Invokes the function. Returns the response and how long it took.
    async fn invoke(&mut self, rig: &Rig) -> (Value, Duration) {
        let started = Instant::now();
        let response = rig.invoke(&self.event).await;
        let took = started.elapsed();
        self.observe().await;
        self.images.iter().for_each(|image| image.assert_agrees(&response));
        (response, took)
    }

    /// Invokes a new function and kills it after this time. Returns the window of each image, or `None` if the function
    /// responded first.
    async fn invoke_and_kill(&mut self, after: Duration) -> Option<Vec<usize>> {
        let mut rig = self.start().await;
        let result = tokio::time::timeout(after, rig.try_invoke(&self.event, Duration::from_secs(10))).await;
        if let Ok(result) = result {
            let response = result.expect("the invocation succeeds");
            self.observe().await;
            self.images.iter().for_each(|image| image.assert_agrees(&response));
            return None;
        }
        rig.kill();
        drop(rig);
        // Calls that the proxy is delaying still take effect.
        tokio::time::sleep(Duration::from_millis(LATENCY_MS + 30)).await;
        Some(self.observe().await)
    }
}

#[tokio::test]
async fn nothing_is_lost_if_the_function_is_killed_at_any_point() {
    let kills = number_from_env("KILLS").unwrap_or(KILLS);
    let seed = number_from_env("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed} repeats the states, the latencies and the moments of the kills");
    let mut rng = Rng::with_seed(seed);
    let mut crashes = Crashes::new(rng.u64(..)).await;

    // The kills are spread over the time that a whole invocation with announcements takes on this machine.
    let rig = crashes.start().await;
    crashes.images.iter_mut().for_each(|image| image.move_to("IN_PROGRESS", &crashes.workspaces));
    let (_, duration) = crashes.invoke(&rig).await;
    drop(rig);

    let (mut windows, mut killed, mut attempts) = ([0; WINDOWS.len()], 0, 0);
    // Some more kills, if chance has missed a narrow window so far.
    while killed < kills || kills >= KILLS && windows.contains(&0) {
        assert!(
            attempts < kills * ATTEMPTS,
            "only {killed} of {attempts} were killed before they responded, in these windows: {windows:?}"
        );
        attempts += 1;
        crashes.images.iter_mut().for_each(|image| image.move_on(&mut rng, &crashes.workspaces));
        if let Some(hit) = crashes.invoke_and_kill(duration.mul_f64(rng.f64() * 1.2)).await {
            killed += 1;
            for window in hit {
                windows[window] += 1;
            }
        }
    }

    crashes.images.iter_mut().for_each(|image| image.move_to("COMPLETED", &crashes.workspaces));
    let rig = crashes.start().await;
    let mut last = Value::Null;
    for _ in 0..3 {
        // The first may announce what is still owed. The new state then waits for the second.
        last = crashes.invoke(&rig).await.0;
    }
    assert_eq!(last["Transitions"], json!([]), "nothing is left to announce");
    assert!(imports(&last).iter().all(|record| record["Owed"].is_null()), "nothing is owed: {last}");
    assert_eq!(
        crashes.queue.announcements().await,
        Vec::<Value>::new(),
        "nothing is delivered after the last response"
    );
    crashes.images.iter().for_each(Image::assert_announced_states_are_real);

    let first: usize = crashes.images.iter().map(|image| image.ids.len()).sum();
    let all: usize = crashes.images.iter().flat_map(|image| image.deliveries.values()).sum();
    println!(
        "{killed} of {attempts} invocations of {IMAGES} images were killed before they responded; a whole one takes {duration:?}"
    );
    println!("{first} announcements, {} repeats", all - first);
    for (window, hits) in WINDOWS.iter().zip(windows) {
        println!("{hits:4} {window}");
        assert!(hits > 0 || kills < KILLS, "no kill hit the window: {window}");
    }
}
