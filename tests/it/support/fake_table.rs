//! A minimal fake of DynamoDB for one function: it stores items and ignores conditions. Unlike the proxies and
//! emulators, it does not keep requests, so it can run for a very long time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use fake_aws::{Reply, Request, Server};
use serde_json::{Value, json};

use super::{Setup, private_ca::PrivateCa};

const NAME: &str = "ledger";

type Items = Arc<Mutex<HashMap<String, Value>>>;

/// A running table.
pub(crate) struct FakeTable {
    /// Its server.
    pub(crate) server: Server,
    items: Items,
}

impl FakeTable {
    /// Returns the IDs of the announcements that the table owes, without the state.
    pub(crate) fn owed(&self) -> Vec<String> {
        let items = self.items.lock().expect("not poisoned");
        let owing = items.iter().filter(|(_, item)| item["Owed"].is_object());
        owing
            .map(|(image, item)| format!("{image}#{}", item["Owed"]["M"]["Sequence"]["N"].as_str().expect("a number")))
            .collect()
    }
}

/// Prepares a function with simulated services and a ledger in a fake table, over TLS if there is a CA. Returns the
/// function and the table.
pub(crate) async fn stage(ca: Option<&PrivateCa>) -> (Setup, FakeTable) {
    let table = start(ca).await;
    let stage = match ca {
        None => Setup::new().await,
        Some(ca) => Setup::over_tls(ca).await,
    };
    (stage.set("LEDGER_TABLE", NAME).set("AWS_ENDPOINT_URL_DYNAMODB", &table.server.url()), table)
}

async fn start(ca: Option<&PrivateCa>) -> FakeTable {
    let items = Items::default();
    let shared = Arc::clone(&items);
    let handler = move |request: Request| {
        let response = respond(&request, &mut shared.lock().expect("not poisoned"));
        async move { Reply::json(200, &response) }
    };
    let server = Server::start(handler, ca.map(|ca| &ca.tls)).await.expect("the server starts");
    FakeTable { server, items }
}

fn respond(request: &Request, items: &mut HashMap<String, Value>) -> Value {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let id = |item: &Value| item["ImageId"]["S"].as_str().map(str::to_owned).expect("an image ID");
    match request.operation().as_str() {
        "BatchGetItem" => {
            let keys = body["RequestItems"][NAME]["Keys"].as_array().expect("keys");
            let found: Vec<&Value> = keys.iter().filter_map(|key| items.get(&id(key))).collect();
            json!({"Responses": {NAME: found}, "UnprocessedKeys": {}})
        }
        "PutItem" => {
            items.insert(id(&body["Item"]), body["Item"].clone());
            json!({})
        }
        // The ping that opens a connection during init.
        _ => json!({}),
    }
}
