//! One image: what WorkSpaces says about it, and what its subscribers were told.

use fake_aws::{Answer, STATES, WorkSpaces, description};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::image;

/// The ends of the histories. The share of failed imports is fixed, because they are checked for another day, and one
/// invocation has room for half of the images only.
const ENDS: [&str; 5] = ["COMPLETED", "ERROR", "COMPLETED", "NOT_FOUND", "COMPLETED"];

/// An image of the account.
pub(super) struct Image {
    pub(super) id: String,
    /// Its states, from the first to the last one.
    history: Vec<&'static str>,
    /// How many of them it has reached.
    reached: usize,
    /// The states that the calls of this round are told, one each. The last one is told to all further calls, too.
    answers: Vec<&'static str>,
    /// What the last call that described it was told.
    seen: &'static str,
    /// The ID and the two states of each announcement that SNS accepted, by `Sequence` from 1.
    announced: Vec<[Value; 3]>,
}

impl Image {
    pub(super) fn new(number: usize, rng: &mut Rng) -> Self {
        let mut history = vec!["PENDING"];
        for _ in 0..rng.usize(4..9) {
            history.push(match rng.usize(..8) {
                // Somebody retries it.
                0 | 1 => "ERROR",
                // It is found again before this is announced.
                2 => "NOT_FOUND",
                _ => STATES[rng.usize(1..12)],
            });
        }
        history.push(ENDS[number % ENDS.len()]);
        Self { id: image(number), history, reached: 1, answers: Vec::new(), seen: "", announced: Vec::new() }
    }

    /// Starts a round, in which it moves on by up to this many states. The first call still sees the old state. It does
    /// not end before its first announcement: nothing can find an import that ends before a check knows it.
    pub(super) fn move_on(&mut self, steps: usize, workspaces: &WorkSpaces) {
        let is_known = !self.announced.is_empty();
        let states = self.history[self.reached - 1..].iter().take(1 + steps);
        self.answers = states.take_while(|state| is_known || !ENDS.contains(state)).copied().collect();
        self.reached += self.answers.len() - 1;
        let answer = |state: &&str| match *state {
            "NOT_FOUND" => Answer::NotFound,
            state => description(&self.id, state).into(),
        };
        workspaces.script(&self.id, self.answers.iter().map(answer));
    }

    pub(super) fn is_at_its_end(&self) -> bool {
        self.reached == self.history.len()
    }

    /// This many calls of the round have described it.
    pub(super) fn was_described(&mut self, calls: usize) {
        self.seen = self.answers[calls.min(self.answers.len()) - 1];
    }

    /// Takes a message that SNS accepted. First deliveries have consecutive numbers. Returns whether it is a repeat.
    pub(super) fn deliver(&mut self, message: &Value) -> bool {
        let content = ["TransitionId", "From", "To"].map(|name| message[name].clone());
        let number = message["Sequence"].as_u64().and_then(|number| number.try_into().ok()).expect("a number");
        let last = self.announced.len();
        assert!((1..=last + 1).contains(&number), "{message} was accepted after number {last}");
        if number <= last {
            assert_eq!(content, self.announced[number - 1], "repeats are the same");
            return true;
        }
        let from = self.announced.last().map_or(&Value::Null, |[_, _, to]| to);
        assert_eq!(&content[1], from, "each starts where the one before ended");
        self.announced.push(content);
        false
    }

    /// Asserts that the subscribers and the ledger have the end of the history, and that all they were told is true.
    pub(super) fn assert_told(&self, item: &Value) {
        let states: Vec<&Value> = self.announced.iter().map(|[_, _, to]| to).collect();
        let end = json!(self.history.last());
        let known = json!([self.seen, states.last(), item["State"], item["Sequence"], item["Owed"]]);
        let expected = json!([end, end, end, states.len(), null]);
        assert_eq!(known, expected, "{}: {states:?} of {:?}, {item}", self.id, self.history);
        let mut history = self.history.iter();
        for state in &states {
            assert!(history.any(|real| state == real), "{}: {states:?} of {:?}", self.id, self.history);
        }
        let mut before_the_end = states.iter().rev().skip(1);
        assert!(before_the_end.all(|state| **state != "NOT_FOUND"), "{} was found again: {states:?}", self.id);
    }
}
