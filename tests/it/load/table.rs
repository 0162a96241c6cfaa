//! A ledger's table on the wire, for one process alone: it keeps what was put, looks at no condition, and remembers no
//! request, as a test of memory needs it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use simulator::{Reply, Request, Server};

pub(super) const NAME: &str = "ledger";

pub(super) async fn start() -> Server {
    let items = Arc::<Mutex<HashMap<String, Value>>>::default();
    let answer = move |request: Request| {
        let answer = answer(&request, &mut items.lock().expect("not poisoned"));
        async move { Reply::json(200, &answer) }
    };
    Server::start(answer, None).await.expect("a port")
}

fn answer(request: &Request, items: &mut HashMap<String, Value>) -> Value {
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let id = |item: &Value| item["ImageId"]["S"].as_str().map(str::to_owned).expect("an image");
    match request.operation().as_str() {
        "BatchGetItem" => {
            let keys = asked["RequestItems"][NAME]["Keys"].as_array().expect("keys");
            let found: Vec<&Value> = keys.iter().filter_map(|key| items.get(&id(key))).collect();
            json!({"Responses": {NAME: found}, "UnprocessedKeys": {}})
        }
        "PutItem" => {
            items.insert(id(&asked["Item"]), asked["Item"].clone());
            json!({})
        }
        // A ping.
        _ => json!({}),
    }
}
