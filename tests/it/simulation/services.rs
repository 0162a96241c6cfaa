//! The services as the simulated world has them, with everything that can go wrong during a call.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};
use workspaces_image_import::{
    error::{CallError, NotSent, Service},
    import::{Description, ImageId, Observation, Timestamp},
    message::Message,
    services::{DescribeOutcome, Items, SearchOutcome, Services, Write, WriteOutcome},
    time_budget::{Clock, TimeBudget},
};

use super::{
    Shared,
    import::{Delivered, Delivery, DescribeAnswer, write_item},
    scenarios,
    world::{Store, World},
};

/// The services, as one invocation uses them.
#[derive(Clone)]
pub(super) struct SimulatedServices {
    pub(super) world: Shared,
    pub(super) budget: TimeBudget,
    pub(super) seen: Rc<Seen>,
}

/// What the services have told one invocation.
#[derive(Default)]
pub(super) struct Seen {
    /// The IDs of the announcements that SNS confirmed.
    pub(super) confirmed: RefCell<Vec<String>>,
    /// How many publish calls SNS answered.
    publishes: Cell<usize>,
    /// The images whose describe call was sent, and the error's name if the call failed.
    pub(super) described: RefCell<Vec<(ImageId, Option<String>)>>,
    /// The images whose describe call was not sent.
    pub(super) not_sent: RefCell<BTreeSet<ImageId>>,
    /// The images whose items could not be read.
    pub(super) unread: RefCell<BTreeSet<ImageId>>,
    /// The answers to describe calls.
    pub(super) answers: RefCell<BTreeMap<ImageId, DescribeAnswer>>,
    /// The images that the list of images named.
    pub(super) listed: RefCell<BTreeSet<ImageId>>,
    /// The images that the ledger named.
    pub(super) unsettled: RefCell<BTreeSet<ImageId>>,
    /// The names of the errors that ended the listing and the scan.
    pub(super) discover_errors: RefCell<Vec<String>>,
    /// The images whose items were read.
    pub(super) read: RefCell<BTreeSet<ImageId>>,
    /// The images whose items were written.
    written: RefCell<BTreeSet<ImageId>>,
}

/// The code of the errors that do not pass by themselves.
pub(super) const PERMANENT: &str = "Trouble";

/// How many images one page of a search has.
const IMAGES_PER_PAGE: usize = 2;

/// The clock of a run, which Tokio's paused clock moves.
pub(super) fn clock() -> Clock {
    Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365))
}

/// What happens to one call.
#[derive(Debug)]
enum Fate {
    /// It takes this long and works.
    Works(Duration),
    /// It fails after this long and has no effect.
    Fails(Duration),
    /// It takes effect after this long, and the response is lost.
    ResponseLost(Duration),
    /// It takes effect after this long, the response is lost, and the SDK's retry takes effect, too.
    Repeated(Duration),
    /// There is no response. The effect takes place this much later, whether or not anyone still waits.
    Late(Duration),
    /// Nothing ever happens.
    Hangs,
    /// The service throttles every attempt until the deadline.
    Throttled,
    /// The SDK holds the call back until the deadline, because the service throttles others.
    HeldBack,
}

/// What a call came to.
enum Called<T> {
    Returned(T),
    NotSent(NotSent),
    Failed(CallError),
}

impl<T> Called<T> {
    /// For calls of which one that was not sent is one more failure.
    fn result(self, service: Service) -> Result<T, CallError> {
        match self {
            Self::Returned(value) => Ok(value),
            Self::NotSent(_) => Err(CallError::timeout(service, "not sent")),
            Self::Failed(error) => Err(error),
        }
    }
}

impl SimulatedServices {
    fn fate(&self, what: impl FnOnce() -> String) -> Fate {
        let mut world = self.world.borrow_mut();
        let World { rng, calm, trouble, .. } = &mut *world;
        let soon = Duration::from_millis(rng.u64(1..400));
        let fate = if *calm || rng.f64() >= *trouble {
            Fate::Works(soon)
        } else {
            match rng.u8(0..8) {
                0 => Fate::Fails(soon),
                1 => Fate::ResponseLost(soon),
                2 => Fate::Late(Duration::from_millis(rng.u64(0..60_000))),
                3 => Fate::Hangs,
                4 => Fate::Throttled,
                5 => Fate::HeldBack,
                6 => Fate::Repeated(soon),
                _ => Fate::Works(soon * 20),
            }
        };
        world.note(|| format!("{}: {fate:?}", what()));
        fate
    }

    fn cover(&self, what: &'static str) {
        self.world.borrow_mut().covered.insert(what);
    }

    /// Runs the effect of a call as its fate demands, and returns by the deadline.
    async fn call<T: 'static>(
        &self,
        service: Service,
        deadline: Instant,
        what: impl FnOnce() -> String,
        effect: impl Fn(&mut World) -> T + 'static,
    ) -> Called<T> {
        let error = |code: &str| CallError {
            service,
            code: code.to_owned(),
            message: String::new(),
            transient: code != PERMANENT,
        };
        if Instant::now() >= deadline {
            self.cover(scenarios::UNSENT);
            return Called::NotSent(NotSent::NoTime);
        }
        let in_time = |delay| Instant::now() + delay < deadline;
        match self.fate(what) {
            Fate::Works(delay) if in_time(delay) => {
                sleep(delay).await;
                Called::Returned(effect(&mut self.world.borrow_mut()))
            }
            Fate::Fails(delay) if in_time(delay) => {
                sleep(delay).await;
                Called::Failed(error(PERMANENT))
            }
            Fate::ResponseLost(delay) if in_time(delay) => {
                sleep(delay).await;
                effect(&mut self.world.borrow_mut());
                Called::Failed(error("Unreachable"))
            }
            Fate::Repeated(delay) if in_time(delay * 2) => {
                sleep(delay).await;
                effect(&mut self.world.borrow_mut());
                sleep(delay).await;
                Called::Returned(effect(&mut self.world.borrow_mut()))
            }
            Fate::Works(delay) | Fate::ResponseLost(delay) | Fate::Repeated(delay) | Fate::Late(delay) => {
                let world = Rc::clone(&self.world);
                let late = tokio::task::spawn_local(async move {
                    sleep(delay).await;
                    effect(&mut world.borrow_mut());
                });
                self.world.borrow_mut().late.push(late);
                sleep_until(deadline).await;
                self.cover(scenarios::CUT_OFF);
                Called::Failed(error("Timeout"))
            }
            Fate::Fails(_) | Fate::Hangs => {
                sleep_until(deadline).await;
                self.cover(scenarios::CUT_OFF);
                Called::Failed(error("Timeout"))
            }
            Fate::Throttled => {
                sleep_until(deadline).await;
                self.cover(scenarios::THROTTLED);
                Called::Failed(error("ThrottlingException"))
            }
            Fate::HeldBack => {
                sleep_until(deadline).await;
                self.cover(scenarios::HELD_BACK);
                Called::NotSent(NotSent::HeldBack)
            }
        }
    }
}

impl SimulatedServices {
    /// Finds images page by page, until there are no more or a page fails.
    async fn search(
        &self,
        service: Service,
        deadline: Instant,
        page: fn(&World, Option<&ImageId>, usize) -> Vec<ImageId>,
    ) -> SearchOutcome {
        assert!(deadline <= self.budget.discover_until, "no time is left for reading and describing");
        let mut found = SearchOutcome::default();
        loop {
            let last = found.images.last().map(|(image_id, _)| image_id.clone());
            let what = || format!("search {service} after {last:?}");
            let effect = {
                let last = last.clone();
                move |world: &mut World| page(world, last.as_ref(), IMAGES_PER_PAGE)
            };
            match self.call(service, deadline, what, effect).await.result(service) {
                Ok(images) => {
                    let is_last = images.len() < IMAGES_PER_PAGE;
                    found.images.extend(images.into_iter().map(|image_id| (image_id, None)));
                    if is_last {
                        return found;
                    }
                }
                Err(error) => {
                    self.seen.discover_errors.borrow_mut().push(error.name());
                    if !found.images.is_empty() && service == Service::WorkSpaces {
                        self.cover(scenarios::PARTIAL_LISTING);
                    }
                    return SearchOutcome { error: Some(error), ..found };
                }
            }
        }
    }
}

impl Services for SimulatedServices {
    async fn list_pending(&self, deadline: Instant) -> SearchOutcome {
        let mut found = self.search(Service::WorkSpaces, deadline, World::pending_after).await;
        for (image_id, name) in &mut found.images {
            *name = self.world.borrow().name(image_id);
        }
        self.seen.listed.borrow_mut().extend(found.images.iter().map(|(image_id, _)| image_id.clone()));
        found
    }

    async fn describe(&self, image_id: &ImageId, deadline: Instant) -> DescribeOutcome {
        assert!(deadline <= self.budget.describe_until, "no time is left for announcing and writing");
        let id = image_id.clone();
        let look = move |world: &mut World| world.answer(&id);
        let described = |error| self.seen.described.borrow_mut().push((image_id.clone(), error));
        let answer = match self.call(Service::WorkSpaces, deadline, || format!("describe {image_id}"), look).await {
            Called::Returned(answer) => answer,
            Called::NotSent(why) => {
                self.seen.not_sent.borrow_mut().insert(image_id.clone());
                return DescribeOutcome::NotSent(why);
            }
            Called::Failed(error) => {
                described(Some(error.name()));
                return DescribeOutcome::Failed(error);
            }
        };
        if !self.world.borrow().others.contains_key(image_id) && self.world.borrow().imports[image_id].malformed {
            let error = CallError::bad_response(Service::WorkSpaces, "malformed");
            described(Some(error.name()));
            return DescribeOutcome::Failed(error);
        }
        described(None);
        let mut world = self.world.borrow_mut();
        world.note(|| format!("{image_id} is {answer:?}"));
        if world.others.contains_key(image_id) {
            world.covered.insert(scenarios::OTHER_IMAGE);
        } else {
            let import = world.import(image_id);
            import.answers.push(answer);
            if answer == DescribeAnswer::NotFound {
                import.misses.push(Instant::now());
            }
        }
        self.seen.answers.borrow_mut().insert(image_id.clone(), answer);
        let DescribeAnswer::Described { state, age } = answer else {
            return DescribeOutcome::Observed(Observation::NotFound);
        };
        let now = world.clock.now().millis();
        let updated = age.map(|minutes| now - i64::try_from(minutes).expect("small") * 60_000);
        // Long enough that a response with many of them has to be shortened.
        let message = (world.imports.len() > 10).then(|| "Validating. ".repeat(80));
        DescribeOutcome::Observed(Observation::Described(Box::new(Description {
            state: state.map(str::to_owned),
            state_message: message,
            last_updated_time: updated.and_then(Timestamp::from_millis),
            ..Description::default()
        })))
    }

    async fn publish(&self, batch: &[Message], deadline: Instant) -> Vec<Result<(), CallError>> {
        assert!(deadline <= self.budget.announce_until, "no time is left for writing");
        let deliveries: Vec<Delivery> = batch.iter().map(delivery).collect();
        if self.world.borrow().store != Store::Payload {
            let written = self.seen.written.borrow();
            let unwritten = deliveries.iter().find(|delivery| !written.contains(&delivery.image_id));
            assert!(unwritten.is_none(), "published without a write of its own: {unwritten:?}");
        }
        let ids: Vec<String> = deliveries.iter().map(|delivery| delivery.transition_id.clone()).collect();
        let accept = move |world: &mut World| {
            let each = deliveries.iter().cloned().map(|delivery| {
                if !world.calm && world.rng.f64() < world.trouble / 2.0 {
                    return Err(CallError::bad_response(Service::Sns, "this message failed"));
                }
                world.note(|| format!("delivered {}", delivery.transition_id));
                let store = world.store;
                if world.import(&delivery.image_id.clone()).deliver(delivery, store) == Delivered::Again {
                    world.covered.insert(scenarios::REDELIVERY);
                }
                Ok(())
            });
            each.collect::<Vec<_>>()
        };
        let called = self.call(Service::Sns, deadline, || format!("publish {ids:?}"), accept).await;
        let results = match called.result(Service::Sns) {
            Ok(results) => results,
            Err(error) => return batch.iter().map(|_| Err(error.clone())).collect(),
        };
        self.seen.publishes.update(|count| count + 1);
        if self.seen.publishes.get() > 1 && results.iter().any(Result::is_err) && results.iter().any(Result::is_ok) {
            self.cover(scenarios::PARTIAL_FAILURE);
        }
        let accepted = ids.iter().zip(&results).filter(|(_, result)| result.is_ok());
        self.seen.confirmed.borrow_mut().extend(accepted.map(|(id, _)| id.clone()));
        results
    }

    async fn read_items(&self, image_ids: &[&ImageId], deadline: Instant) -> Items {
        if self.world.borrow().store == Store::Payload {
            return Items::new();
        }
        assert!(deadline <= self.budget.recall_until, "no time is left for describing");
        let image_ids: Vec<ImageId> = image_ids.iter().map(|id| (*id).clone()).collect();
        let read = {
            let image_ids = image_ids.clone();
            move |world: &mut World| -> Items {
                let read_one = |id: &ImageId| {
                    // Some keys may stay unprocessed.
                    if !world.calm && world.rng.f64() < world.trouble / 4.0 {
                        world.covered.insert(scenarios::PARTIAL_READ);
                        return Some((id.clone(), Err(CallError::timeout(Service::DynamoDb, "unprocessed"))));
                    }
                    let item = world.item(id)?.clone();
                    let is_corrupt = world.imports.get(id).is_some_and(|import| import.corrupt);
                    if is_corrupt {
                        world.covered.insert(scenarios::CORRUPT_ITEM);
                    }
                    Some((id.clone(), if is_corrupt { Err(unreadable()) } else { Ok(item) }))
                };
                image_ids.iter().filter_map(read_one).collect()
            }
        };
        let called = self.call(Service::DynamoDb, deadline, || "read".to_owned(), read).await;
        let items = called.result(Service::DynamoDb).unwrap_or_else(|error| {
            let failed = |id| (id, Err(error.clone()));
            image_ids.into_iter().map(failed).collect()
        });
        let unread = items.iter().filter(|(_, item)| item.is_err()).map(|(id, _)| id.clone());
        self.seen.unread.borrow_mut().extend(unread);
        let read = items.iter().filter(|(_, item)| item.is_ok()).map(|(id, _)| id.clone());
        self.seen.read.borrow_mut().extend(read);
        items
    }

    async fn find_unsettled(&self, _: Timestamp, deadline: Instant) -> SearchOutcome {
        if self.world.borrow().store == Store::Payload {
            return SearchOutcome::default();
        }
        let found = self.search(Service::DynamoDb, deadline, World::unsettled_after).await;
        self.seen.unsettled.borrow_mut().extend(found.images.iter().map(|(image_id, _)| image_id.clone()));
        found
    }

    async fn write_item(&self, write: Write<'_>, deadline: Instant) -> WriteOutcome {
        if self.world.borrow().store == Store::Payload {
            return WriteOutcome::NoLedger;
        }
        assert!(deadline <= self.budget.mark_until, "no time is left for the response");
        self.check_flags(&write);
        let what = || format!("write {write:?}");
        let (image_id, item, expected) = (write.image_id.clone(), write.item.clone(), write.expected);
        let put = move |world: &mut World| {
            let store = world.store;
            let written = match world.others.get_mut(&image_id) {
                Some(other) => {
                    assert!(item.checkpoint.is_only_listed(), "{item:?} is not an import");
                    write_item(&mut other.item, &item, expected)
                }
                None => world.import(&image_id).write(&item, expected, store),
            };
            world.note(|| format!("written {image_id}: {written:?}"));
            match written {
                Ok(()) => WriteOutcome::Written,
                Err(_) if world.imports.get(&image_id).is_some_and(|import| import.corrupt) => {
                    WriteOutcome::Failed(unreadable())
                }
                Err(winner) => {
                    world.covered.insert(scenarios::LOST_WRITE);
                    WriteOutcome::Lost(*winner)
                }
            }
        };
        let called = self.call(Service::DynamoDb, deadline, what, put).await;
        let outcome = match called {
            Called::Returned(outcome) => outcome,
            Called::NotSent(_) => WriteOutcome::NotSent,
            Called::Failed(error) => WriteOutcome::Failed(error),
        };
        if let WriteOutcome::Written = outcome {
            self.seen.written.borrow_mut().insert(write.image_id.clone());
        }
        outcome
    }
}

impl SimulatedServices {
    /// The flags of a write agree with what this invocation found.
    fn check_flags(&self, write: &Write<'_>) {
        let answers = self.seen.answers.borrow();
        // What was owed before, and what was only listed, is written even if the import could not be described.
        let Some(answer) = answers.get(write.image_id) else { return };
        let checkpoint = &write.item.checkpoint;
        let is_missing = *answer == DescribeAnswer::NotFound && !checkpoint.listed;
        assert_eq!(checkpoint.missing.is_some(), is_missing, "{write:?} after {answer:?}");
        let recent = matches!(answer, DescribeAnswer::Described { state: Some(_), age: Some(0) });
        assert!(!(recent && checkpoint.stalled), "{write:?} after {answer:?}");
    }
}

/// The error for an item that somebody else has changed.
fn unreadable() -> CallError {
    CallError::bad_response(Service::DynamoDb, "unreadable")
}

/// The text of a message that programs read.
#[derive(Deserialize)]
struct Texts {
    default: String,
}

fn delivery(message: &Message) -> Delivery {
    let texts: Texts = serde_json::from_str(&message.body).expect("JSON");
    let delivery: Delivery = serde_json::from_str(&texts.default).expect("JSON as the contract describes it");
    // A FIFO topic keeps the order of an image's announcements, and drops redeliveries.
    assert_eq!(message.group_id, delivery.image_id.as_str());
    assert_eq!(message.deduplication_id, delivery.transition_id);
    delivery
}
