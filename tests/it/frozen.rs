//! Lambda freezes a function between invocations, for seconds or minutes. Meanwhile, its idle connections can end, and
//! it cannot notice. The next invocation must not suffer from that.
//!
//! `cargo test --locked --test it frozen::`

use std::time::{Duration, Instant};

use fake_aws::{Ending, Server, description};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{join, time::sleep};

use crate::support::{IMAGE, Rig, announced, event, fake_table, private_ca::PrivateCa};

/// Long enough for a function to notice that a connection has ended, but not for an attempt to time out.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The states of the import, one per invocation, again and again.
const STATES: [&str; 2] = ["PENDING", "VALIDATING"];

/// A function with a ledger that has opened its connections. All its services are on plain HTTP or all on TLS.
struct Function {
    rig: Rig,
    table: Server,
    /// What it has announced, as transition IDs.
    expected: Vec<String>,
}

impl Function {
    async fn start(ca: Option<&PrivateCa>) -> Self {
        let (stage, table) = fake_table::stage(ca).await;
        let rig = stage.start().await;
        rig.ready().await;
        let function = Self { rig, table: table.server, expected: Vec::new() };
        assert_eq!(function.connections(), [1; 3], "Init opens them");
        function
    }

    /// WorkSpaces, SNS and DynamoDB.
    fn servers(&self) -> [&Server; 3] {
        [self.rig.workspaces.server(), self.rig.sns.server(), &self.table]
    }

    fn connections(&self) -> [usize; 3] {
        self.servers().map(Server::connections)
    }

    /// Freezes the function for a time, while the connections to some services end. Then, the import has a new state,
    /// and an invocation wakes the function up. Asserts that it announces the state once and that it has opened one new
    /// connection to each of those services. Returns how long it took.
    async fn invoke_after(&mut self, freeze: Duration, ending: Ending, ended: [bool; 3]) -> Duration {
        let (before, context) = (self.connections(), format!("{ending:?} {ended:?} after {:?}", self.expected));
        self.rig.freeze();
        for (server, _) in self.servers().into_iter().zip(ended).filter(|(_, ended)| *ended) {
            server.end_connections(ending).await;
        }
        sleep(freeze).await;

        let number = self.expected.len() + 1;
        let state = STATES[number % STATES.len()];
        self.rig.workspaces.set(IMAGE, description(IMAGE, state));
        self.expected.push(format!("{IMAGE}#{number}:{state}"));
        let wake_up = async {
            // The event is there when the function wakes up.
            sleep(Duration::from_millis(20)).await;
            self.rig.thaw();
        };
        let begun = Instant::now();
        let (response, ()) = join!(self.rig.invoke(event([json!({"ImageId": IMAGE})])), wake_up);
        let took = begun.elapsed();

        assert_eq!(response["Imports"][0]["CheckError"], Value::Null, "{context}");
        assert_eq!(response["Transitions"][0]["TransitionId"], *self.expected[number - 1], "{context}");
        assert_eq!(announced(&self.rig.sns), self.expected, "{context}");
        let new: Vec<usize> = self.connections().iter().zip(before).map(|(now, before)| now - before).collect();
        assert_eq!(new, ended.map(usize::from), "{context}");
        took
    }
}

/// Plain HTTP and TLS.
fn transports(ca: &PrivateCa) -> [Option<&PrivateCa>; 2] {
    [None, Some(ca)]
}

/// Each service alone.
const EACH: [[bool; 3]; 3] = [[true, false, false], [false, true, false], [false, false, true]];
const ALL: [bool; 3] = [true; 3];

#[tokio::test]
async fn connections_that_ended_are_replaced_at_once() {
    let ca = PrivateCa::new();
    for ca in transports(&ca) {
        let mut function = Function::start(ca).await;
        for ending in [Ending::Close, Ending::Reset, Ending::Forget] {
            for ended in EACH.into_iter().chain([ALL]) {
                let took = function.invoke_after(Duration::ZERO, ending, ended).await;
                assert!(took < AT_ONCE, "{ending:?} {ended:?}: {took:?}");
            }
        }
    }
}

/// Soon after its last use, the function relies on a connection until an attempt times out.
#[tokio::test]
async fn a_connection_that_fell_silent_costs_one_attempt() {
    let ca = PrivateCa::new();
    let cases = transports(&ca).into_iter().flat_map(|ca| EACH.map(|ended| (ca, ended)));
    let took = join_all(cases.map(async |(ca, ended)| {
        let mut function = Function::start(ca).await;
        function.invoke_after(Duration::from_secs(1), Ending::Silence, ended).await
    }));
    for took in took.await {
        assert!(took > AT_ONCE, "the connection is not used: {took:?}");
    }
}

/// Later, it does not use the connection at all.
#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_not_used() {
    let ca = PrivateCa::new();
    let took = join_all(transports(&ca).map(async |ca| {
        let mut function = Function::start(ca).await;
        function.invoke_after(Duration::from_secs(21), Ending::Silence, ALL).await
    }));
    for took in took.await {
        assert!(took < AT_ONCE, "{took:?}");
    }
}
