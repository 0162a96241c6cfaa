//! The real binary, killed at random points of its invocations, with the ledger on: what subscribers got in the end.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::{Value, json};
use simulator::{Act, Proxy, WorkSpaces, description};

use crate::support::{
    Rig, Stage,
    emulator::{Queue, Table, ministack},
    event, image,
};

/// How many invocations are killed before they answer; `KILLS=500` for a soak.
const KILLS: usize = 50;

/// In each event; they are at different points when the kill comes.
const IMAGES: usize = 3;

/// How many invocations there may be for each that is killed before it answers.
const ATTEMPTS: usize = 10;

/// The longest that a write or a publish waits on its way. Between two of them there would be no time to hit otherwise.
const LATENCY_MS: u64 = 40;

const STATES: [&str; 4] = ["PENDING", "VALIDATING", "GENERALIZING", "PUBLISHING"];

/// Where a kill may fall, seen from one image.
const WINDOWS: [&str; 4] =
    ["nothing done yet", "owed, not published", "published, not settled", "settled, not answered"];

/// One image: what WorkSpaces told of it, and what its subscriber and the ledger have shown so far.
struct Image {
    id: String,
    history: Vec<&'static str>,
    /// The id of each number, from 1 on, in the order of the first deliveries.
    ids: Vec<String>,
    announced: Vec<Value>,
    /// How often each number came.
    deliveries: BTreeMap<u64, usize>,
    item: Value,
}

impl Image {
    fn new(number: usize) -> Self {
        let (ids, announced, deliveries) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { id: image(number), history: Vec::new(), ids, announced, deliveries, item: Value::Null }
    }

    fn moves_to(&mut self, state: &'static str, workspaces: &WorkSpaces) {
        workspaces.set(&self.id, description(&self.id, state));
        self.history.push(state);
    }

    fn moves(&mut self, rng: &mut Rng, workspaces: &WorkSpaces) {
        let others: Vec<_> = STATES.into_iter().filter(|state| self.history.last() != Some(state)).collect();
        self.moves_to(others[rng.usize(..others.len())], workspaces);
    }

    /// First deliveries come in order of number and without a gap; whatever else comes is one of them again.
    fn delivered(&mut self, announcement: &Value) {
        let number = announcement["Sequence"].as_u64().expect("a number");
        let id = announcement["TransitionId"].as_str().expect("an id").to_owned();
        let last = self.ids.len() as u64;
        assert!((1..=last + 1).contains(&number), "{id} came after number {last}");
        if number == last + 1 {
            self.ids.push(id);
            self.announced.push(announcement["To"].clone());
        } else {
            let known = &self.ids[usize::try_from(number - 1).expect("small")];
            assert_eq!(&id, known, "one name for ever");
        }
        *self.deliveries.entry(number).or_default() += 1;
    }

    /// The number that the ledger's item has settled.
    fn settled(&self) -> u64 {
        self.item["Sequence"].as_u64().unwrap_or_default()
    }

    /// Looks at the ledger again, and tells in which window the invocation since the last look ended.
    async fn look(&mut self, table: &Table, deliveries_before: &BTreeMap<u64, usize>) -> usize {
        let item = table.json(&self.id).await.unwrap_or_default();
        let (before, owed_before) = (self.settled(), self.item["Owed"].clone());
        self.item = item;
        let (after, last) = (self.settled(), self.ids.len() as u64);
        assert!(after >= before, "{}: the ledger went back from {before} to {after}", self.id);
        assert!(after <= last, "{}: {after} is settled, and {last} is the last that came", self.id);
        if let Some(owed) = self.item["Owed"]["Sequence"].as_u64() {
            assert_eq!(owed, after + 1, "what is owed is the next");
            assert!(last <= owed, "{}: {last} came, and only {owed} is owed", self.id);
            // What was owed before counts only if this invocation published it, again or not.
            let published = self.deliveries.get(&owed) > deliveries_before.get(&owed);
            if published { 2 } else { usize::from(self.item["Owed"] != owed_before) }
        } else {
            assert_eq!(after, last, "{}: nothing is owed, and what came is settled", self.id);
            if after > before { 3 } else { 0 }
        }
    }

    /// What a response says of this image is what has come and what the ledger holds.
    fn agrees(&self, response: &Value) {
        let records = response["Imports"].as_array().expect("records");
        let record = records.iter().find(|record| record["ImageId"] == self.id.as_str()).expect("its record");
        assert_eq!(json!([record["CheckError"], record["Owed"]]), json!([null, null]), "{record}");
        assert_eq!(record["Sequence"], self.ids.len() as u64, "the last that came: {record}");
        assert_eq!(Some(&record["State"]), self.announced.last(), "{record}");
        assert_eq!(json!([self.item["Sequence"], self.item["State"]]), json!([record["Sequence"], record["State"]]));
        for transition in response["Transitions"].as_array().expect("transitions") {
            if transition["ImageId"] == self.id.as_str() {
                assert_eq!(
                    Some(transition["TransitionId"].as_str().expect("an id")),
                    self.ids.last().map(String::as_str)
                );
            }
        }
    }

    /// What was announced is what WorkSpaces told, in that order, though maybe not all of it.
    fn is_true(&self) {
        let mut real = self.history.iter();
        for to in &self.announced {
            assert!(real.any(|state| to == state), "{}: {:?} in {:?}", self.id, self.announced, self.history);
        }
        assert_eq!(self.announced.last(), Some(&json!("COMPLETED")));
    }
}

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
        let mut stage = Stage::new().await;
        stage.workspaces = self.workspaces.clone();
        let (workspaces, url) = (self.workspaces.url(), self.proxy.url());
        let stage = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces).set("TOPIC_ARN", &self.topic);
        let stage = stage.set("LEDGER_TABLE", &self.table.name).set("AWS_ENDPOINT_URL_SNS", &url);
        let rig = stage.set("AWS_ENDPOINT_URL_DYNAMODB", &url).start().await;
        rig.ready().await;
        rig
    }

    /// What has come since, and in which window the invocation ended, for each image.
    async fn look(&mut self) -> Vec<usize> {
        let before: Vec<_> = self.images.iter().map(|image| image.deliveries.clone()).collect();
        for announcement in self.queue.arrived().await {
            let image = self.images.iter_mut().find(|image| announcement["ImageId"] == image.id.as_str());
            image.expect("one of ours").delivered(&announcement);
        }
        let mut windows = Vec::new();
        for (image, before) in self.images.iter_mut().zip(&before) {
            windows.push(image.look(&self.table, before).await);
        }
        windows
    }

    /// A whole invocation, and how long it took.
    async fn invoke(&mut self, rig: &Rig) -> (Value, Duration) {
        let started = Instant::now();
        let response = rig.invoke(&self.event).await;
        let took = started.elapsed();
        self.look().await;
        self.images.iter().for_each(|image| image.agrees(&response));
        (response, took)
    }

    /// An invocation that is killed after this time: where that fell, or nothing if it answered before.
    async fn killed(&mut self, after: Duration) -> Option<Vec<usize>> {
        let mut rig = self.start().await;
        let answer = tokio::time::timeout(after, rig.try_invoke(&self.event, Duration::from_secs(10))).await;
        if let Ok(answer) = answer {
            let response = answer.expect("what answers before the kill has not failed");
            self.look().await;
            self.images.iter().for_each(|image| image.agrees(&response));
            return None;
        }
        rig.kill();
        drop(rig);
        // What was on its way by then is done all the same.
        tokio::time::sleep(Duration::from_millis(LATENCY_MS + 30)).await;
        Some(self.look().await)
    }
}

#[tokio::test]
async fn killed_at_any_point_nothing_is_lost() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let kills = number("KILLS").map_or(KILLS, |kills| usize::try_from(kills).expect("a number"));
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed} for the same states, latencies and moments, as far as the machine repeats its own times");
    let mut rng = Rng::with_seed(seed);
    let mut crashes = Crashes::new(rng.u64(..)).await;

    // How long a whole invocation takes here, with something to announce: the kills are spread over that.
    let rig = crashes.start().await;
    crashes.images.iter_mut().for_each(|image| image.moves_to("IN_PROGRESS", &crashes.workspaces));
    let (_, whole) = crashes.invoke(&rig).await;
    drop(rig);

    let (mut windows, mut killed, mut attempts) = ([0; WINDOWS.len()], 0, 0);
    while killed < kills {
        assert!(attempts < kills * ATTEMPTS, "only {killed} of {attempts} were killed before they answered");
        attempts += 1;
        crashes.images.iter_mut().for_each(|image| image.moves(&mut rng, &crashes.workspaces));
        if let Some(fell) = crashes.killed(whole.mul_f64(rng.f64() * 1.2)).await {
            killed += 1;
            for window in fell {
                windows[window] += 1;
            }
        }
    }

    crashes.images.iter_mut().for_each(|image| image.moves_to("COMPLETED", &crashes.workspaces));
    let rig = crashes.start().await;
    let mut last = Value::Null;
    for _ in 0..3 {
        // The first may announce what was owed, and leaves what has come since to the next.
        last = crashes.invoke(&rig).await.0;
    }
    assert_eq!(last["Transitions"], json!([]), "nothing is left to announce");
    assert_eq!(crashes.queue.announcements().await, Vec::<Value>::new(), "nothing comes after all was answered");
    crashes.images.iter().for_each(Image::is_true);

    let first: usize = crashes.images.iter().map(|image| image.ids.len()).sum();
    let all: usize = crashes.images.iter().flat_map(|image| image.deliveries.values()).sum();
    println!("{killed} of {attempts} invocations of {IMAGES} images were killed before they answered, {whole:?} whole");
    println!("{first} announcements, {} repeats", all - first);
    for (window, hits) in WINDOWS.iter().zip(windows) {
        println!("{hits:4} {window}");
        assert!(hits > 0 || kills < KILLS, "no kill fell where it was {window}");
    }
}
