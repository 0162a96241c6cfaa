//! The three ports over the simulated world, with everything that can go wrong on the way.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
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
    import::{Answer, Delivered, Delivery},
    world::{Memories, World},
};

/// All three ports, as one invocation has them.
#[derive(Clone)]
pub(super) struct Ports {
    pub(super) world: Shared,
    /// What SNS has told this invocation that it took.
    pub(super) confirmed: Rc<RefCell<Vec<String>>>,
    /// How many calls to publish SNS has answered this invocation.
    pub(super) publishes: Rc<Cell<usize>>,
}

/// The paused clock of the run.
pub(super) struct SimulatedClock {
    pub(super) began: Instant,
}

impl Clock for SimulatedClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365) + self.began.elapsed()
    }
}

/// What happens to one call.
#[derive(Debug)]
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
    fn fate(&self, what: impl FnOnce() -> String) -> Fate {
        let mut world = self.world.borrow_mut();
        let World { rng, calm, trouble, .. } = &mut *world;
        let soon = Duration::from_millis(rng.u64(1..400));
        let fate = match () {
            () if *calm || rng.f64() >= *trouble => Fate::Works(soon),
            () => match rng.u8(0..5) {
                0 => Fate::Fails(soon),
                1 => Fate::AnswerLost(soon),
                2 => Fate::Late(Duration::from_millis(rng.u64(0..60_000))),
                3 => Fate::Hangs,
                _ => Fate::Works(soon * 20),
            },
        };
        world.note(|| format!("{}: {fate:?}", what()));
        fate
    }

    /// Runs a call's effect as its fate has it.
    async fn call<T: 'static>(
        &self,
        service: Service,
        what: impl FnOnce() -> String,
        effect: impl FnOnce(&mut World) -> T + 'static,
    ) -> Result<T, CallError> {
        let error = || CallError { service, code: "Trouble".to_owned(), cause: String::new(), source: None };
        match self.fate(what) {
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
                let late = tokio::task::spawn_local(async move {
                    sleep(delay).await;
                    effect(&mut world.borrow_mut());
                });
                self.world.borrow_mut().late.push(late);
                std::future::pending().await
            }
            Fate::Hangs => std::future::pending().await,
        }
    }
}

impl DescribeImport for Ports {
    async fn describe(&self, image_id: &str) -> Result<Observation, CallError> {
        let id = image_id.to_owned();
        let look = move |world: &mut World| {
            let import = world.import(&id);
            Answer { state: import.now(), age: import.age }
        };
        let answer = self.call(Service::WorkSpaces, || format!("describe {image_id}"), look).await?;
        let mut world = self.world.borrow_mut();
        world.note(|| format!("{image_id} is {answer:?}"));
        world.import(image_id).answers.push(answer);
        let Some(state) = answer.state else { return Ok(Observation::NotFound) };
        let now = Timestamp::from(SimulatedClock { began: world.began }.now()).millis();
        let age = i64::try_from(answer.age).expect("small") * 60_000;
        // So long that a response with many of them has to be cut.
        let message = (world.imports.len() > 10).then(|| "Validating. ".repeat(80));
        Ok(Observation::Described(Box::new(Description {
            state: Some(state.to_owned()),
            state_message: message,
            last_updated_time: Timestamp::from_millis(now - age),
            ..Description::default()
        })))
    }
}

impl Announce for Ports {
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), CallError>>, CallError> {
        let deliveries: Vec<Delivery> = batch.iter().map(delivery).collect();
        let ids: Vec<String> = deliveries.iter().map(|delivery| delivery.transition_id.clone()).collect();
        let take = move |world: &mut World| {
            let each = deliveries.into_iter().map(|delivery| {
                if !world.calm && world.rng.f64() < world.trouble / 2.0 {
                    return Err(CallError::bad_response(Service::Sns, "this entry failed"));
                }
                world.note(|| format!("delivered {}", delivery.transition_id));
                let memories = world.memories;
                if world.import(&delivery.image_id.clone()).deliver(delivery, memories) == Delivered::Again {
                    world.sights.insert("a repeat");
                }
                Ok(())
            });
            each.collect::<Vec<_>>()
        };
        let results = self.call(Service::Sns, || format!("publish {ids:?}"), take).await?;
        self.publishes.update(|count| count + 1);
        if self.publishes.get() > 1 && results.iter().any(Result::is_err) && results.iter().any(Result::is_ok) {
            let sight = "several calls to publish, one of which took only a part";
            self.world.borrow_mut().sights.insert(sight);
        }
        let taken = ids.iter().zip(&results).filter(|(_, result)| result.is_ok());
        self.confirmed.borrow_mut().extend(taken.map(|(id, _)| id.clone()));
        Ok(results)
    }
}

/// The one text of a message that programs read.
#[derive(Deserialize)]
struct Texts {
    default: String,
}

fn delivery(message: &Message) -> Delivery {
    let texts: Texts = serde_json::from_str(&message.body).expect("JSON");
    serde_json::from_str(&texts.default).expect("JSON of the contract's form")
}

impl Ledger for Ports {
    async fn read(&self, image_ids: &[&str]) -> Result<Remembered, CallError> {
        if self.world.borrow().memories == Memories::Payload {
            return Ok(Remembered::new());
        }
        let image_ids: Vec<String> = image_ids.iter().map(ToString::to_string).collect();
        let read = move |world: &mut World| {
            let known = image_ids.into_iter().filter_map(|id| Some((id.clone(), Ok(world.import(&id).item.clone()?))));
            known.collect()
        };
        self.call(Service::DynamoDb, || "read".to_owned(), read).await
    }

    async fn write(&self, image_id: &str, new: &Memory, read: Option<&Memory>) -> Result<Written, CallError> {
        if self.world.borrow().memories == Memories::Payload {
            return Ok(Written::Done);
        }
        let what = || format!("write {image_id} {new:?} over {read:?}");
        let (image_id, new, read) = (image_id.to_owned(), new.clone(), read.cloned());
        let write = move |world: &mut World| {
            let memories = world.memories;
            let written = world.import(&image_id).write(&new, read.as_ref(), memories);
            world.note(|| format!("written {image_id}: {written:?}"));
            match written {
                Ok(()) => Written::Done,
                Err(winner) => {
                    world.sights.insert("a write that lost");
                    Written::Lost(winner)
                }
            }
        };
        self.call(Service::DynamoDb, what, write).await
    }
}
