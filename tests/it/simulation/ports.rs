//! The three ports over the simulated world, with everything that can go wrong on the way.

use std::{
    rc::Rc,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use tokio::time::{Instant, sleep};
use workspaces_image_import::{
    announcement::{Announce, Message},
    clock::Clock,
    error::{CallError, Service},
    import::{Description, Memory, Observation, Timestamp},
    ledger::{Ledger, Remembered, Written},
    workspaces::DescribeImport,
};

use super::{
    Shared,
    world::{Delivery, World},
};

/// All three ports.
#[derive(Clone)]
pub(super) struct Ports {
    pub(super) world: Shared,
}

/// The paused clock of the run.
pub(super) struct SimulatedClock;

impl Clock for SimulatedClock {
    fn now(&self) -> SystemTime {
        thread_local! { static START: Instant = Instant::now(); }
        SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365) + START.with(Instant::elapsed)
    }
}

/// What happens to one call.
enum Fate {
    /// It takes this long and works.
    Works(Duration),
    /// It fails and has no effect.
    Fails(Duration),
    /// It has its effect, and the answer is lost.
    AnswerLost(Duration),
    /// Nothing comes back; the effect comes this much later, whether anyone still waits or not.
    Late(Duration),
    /// Nothing ever comes of it.
    Hangs,
}

impl Ports {
    fn fate(&self) -> Fate {
        let mut world = self.world.borrow_mut();
        let World { rng, calm, trouble, .. } = &mut *world;
        let soon = Duration::from_millis(rng.u64(1..400));
        if *calm || rng.f64() >= *trouble {
            return Fate::Works(soon);
        }
        match rng.u8(0..5) {
            0 => Fate::Fails(soon),
            1 => Fate::AnswerLost(soon),
            2 => Fate::Late(Duration::from_millis(rng.u64(0..60_000))),
            3 => Fate::Hangs,
            _ => Fate::Works(soon * 20),
        }
    }

    /// Runs a call's effect as its fate has it.
    async fn call<T: 'static>(
        &self,
        service: Service,
        effect: impl FnOnce(&mut World) -> T + 'static,
    ) -> Result<T, CallError> {
        let error = || CallError { service, code: "Trouble".to_owned(), cause: String::new(), source: None };
        match self.fate() {
            Fate::Works(delay) => {
                sleep(delay).await;
                Ok(effect(&mut self.world.borrow_mut()))
            }
            Fate::Fails(delay) => {
                sleep(delay).await;
                Err(error())
            }
            Fate::AnswerLost(delay) => {
                sleep(delay).await;
                effect(&mut self.world.borrow_mut());
                Err(error())
            }
            Fate::Late(delay) => {
                let world = Rc::clone(&self.world);
                tokio::task::spawn_local(async move {
                    sleep(delay).await;
                    effect(&mut world.borrow_mut());
                });
                std::future::pending().await
            }
            Fate::Hangs => std::future::pending().await,
        }
    }
}

impl DescribeImport for Ports {
    async fn describe(&self, image_id: &str) -> Result<Observation, CallError> {
        let image_id = image_id.to_owned();
        self.call(Service::WorkSpaces, move |world| {
            let truth = &world.truths[&image_id];
            let Some(state) = truth.history.last().copied().flatten() else {
                *world.not_found.entry(image_id).or_default() += 1;
                return Observation::NotFound;
            };
            let now = Timestamp::from(SimulatedClock.now()).millis();
            let age = i64::try_from(truth.age).expect("small") * 60_000;
            Observation::Described(Box::new(Description {
                state: Some(state.to_owned()),
                last_updated_time: Timestamp::from_millis(now - age),
                ..Description::default()
            }))
        })
        .await
    }
}

impl Announce for Ports {
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), CallError>>, CallError> {
        let deliveries: Vec<Delivery> = batch.iter().map(delivery).collect();
        self.call(Service::Sns, move |world| {
            let each = deliveries.into_iter().map(|delivery| {
                if !world.calm && world.rng.f64() < world.trouble / 2.0 {
                    return Err(CallError::bad_response(Service::Sns, "this entry failed"));
                }
                world.deliver(delivery);
                Ok(())
            });
            each.collect()
        })
        .await
    }
}

/// What a subscriber reads in a message.
fn delivery(message: &Message) -> Delivery {
    let texts: Value = serde_json::from_str(&message.body).expect("JSON");
    let text: Value = serde_json::from_str(texts["default"].as_str().expect("a text")).expect("JSON");
    let field = |name: &str| text[name].as_str().expect("a string").to_owned();
    Delivery {
        image_id: field("ImageId"),
        sequence: text["Sequence"].as_u64().expect("a number"),
        id: field("TransitionId"),
        kind: field("Kind"),
        to: field("To"),
    }
}

impl Ledger for Ports {
    async fn read(&self, image_ids: &[&str]) -> Result<Remembered, CallError> {
        if self.world.borrow().payload_only {
            return Ok(Remembered::new());
        }
        let image_ids: Vec<String> = image_ids.iter().map(ToString::to_string).collect();
        self.call(Service::DynamoDb, move |world| {
            let known = image_ids.into_iter().filter_map(|id| Some((id.clone(), Ok(world.ledger.get(&id)?.clone()))));
            known.collect()
        })
        .await
    }

    async fn write(&self, image_id: &str, new: &Memory, read: Option<&Memory>) -> Result<Written, CallError> {
        if self.world.borrow().payload_only {
            return Ok(Written::Done);
        }
        let (image_id, new, read) = (image_id.to_owned(), new.clone(), read.cloned());
        self.call(Service::DynamoDb, move |world| match world.write(&image_id, &new, read.as_ref()) {
            Ok(()) => Written::Done,
            Err(winner) => Written::Lost(winner),
        })
        .await
    }
}
