//! The real binary, killed at random points of its invocations, with the ledger on: what subscribers got in the end.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use simulator::{WorkSpaces, description};

use crate::support::{
    IMAGE, Rig, Stage,
    emulator::{Emulator, Table, ministack},
};

/// How many invocations are killed; `KILLS=500` for a soak.
const KILLS: usize = 50;

const STATES: [&str; 4] = ["PENDING", "VALIDATING", "GENERALIZING", "PUBLISHING"];

async fn start(emulator: &Emulator, workspaces: &WorkSpaces, topic: &str, table: &Table) -> Rig {
    let mut stage = Stage::new().await;
    stage.workspaces = workspaces.clone();
    let url = workspaces.url();
    let stage = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &url).set("TOPIC_ARN", topic).set("LEDGER_TABLE", &table.name);
    stage.set("AWS_ENDPOINT_URL_SNS", &emulator.url).set("AWS_ENDPOINT_URL_DYNAMODB", &emulator.url).start().await
}

#[tokio::test]
async fn killed_at_any_point_nothing_is_lost() {
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let mut rng = Rng::new();
    let emulator = ministack();
    let (topic, table) = (emulator.topic(false).await, emulator.table().await);
    let queue = emulator.subscribe(&topic, None).await;
    let workspaces = WorkSpaces::start().await.expect("the simulator starts");
    let event = json!({"Imports": [{"ImageId": IMAGE}]});

    // How long a whole invocation takes here, with something to announce: the kills are spread over that.
    let rig = start(emulator, &workspaces, &topic, &table).await;
    rig.ready().await;
    workspaces.set(IMAGE, description(IMAGE, "IN_PROGRESS"));
    let started = std::time::Instant::now();
    rig.invoke(&event).await;
    let whole = started.elapsed();
    drop(rig);

    let (mut history, mut killed) = (vec!["IN_PROGRESS"], 0);
    for kill in 0..kills {
        let state = STATES[kill % STATES.len()];
        workspaces.set(IMAGE, description(IMAGE, state));
        history.push(state);
        let mut rig = start(emulator, &workspaces, &topic, &table).await;
        rig.ready().await;
        let after = whole.mul_f64(rng.f64() * 1.2);
        let answered = tokio::time::timeout(after, rig.try_invoke(&event, Duration::from_secs(10))).await;
        if answered.is_err() {
            rig.kill();
            killed += 1;
        }
    }
    workspaces.set(IMAGE, description(IMAGE, "COMPLETED"));
    history.push("COMPLETED");
    let rig = start(emulator, &workspaces, &topic, &table).await;
    for _ in 0..3 {
        rig.invoke(&event).await;
    }

    let mut numbered: Vec<(u64, Value)> = Vec::new();
    for announcement in queue.announcements().await {
        let number = announcement["Sequence"].as_u64().expect("a number");
        match numbered.iter().find(|(known, _)| *known == number) {
            Some((_, known)) => assert_eq!(announcement["TransitionId"], known["TransitionId"], "one name for ever"),
            None => numbered.push((number, announcement)),
        }
    }
    numbered.sort_by_key(|(number, _)| *number);
    let numbers: Vec<u64> = numbered.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "numbered without gaps");
    let mut real = history.iter();
    for (_, announcement) in &numbered {
        assert!(real.any(|state| announcement["To"] == *state), "{announcement} in {history:?}");
    }
    assert_eq!(numbered.last().map(|(_, last)| &last["To"]), Some(&json!("COMPLETED")));
    println!("{killed} of {kills} were killed before they answered; {} announcements", numbers.len());
    assert!(killed > kills / 4, "the kills hit: {killed}");
    assert!(numbers.len() > kills / 10, "and some came after the announcement: {}", numbers.len());
}
