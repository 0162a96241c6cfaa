//! The `WorkSpaces` simulator by itself, for a test in another language.
//!
//! The first line on standard output is `{"url": "http://127.0.0.1:PORT"}`. Then each line on standard input is a
//! script, a JSON object with a list of answers per image, and is confirmed by a line `{"scripted": COUNT}` once it
//! holds:
//!
//! ```json
//! {"wsi-0a1b2c3d4": ["PENDING", {"Error": "ThrottlingException", "Times": 4}, {"State": "ERROR"}, "NOT_FOUND"]}
//! ```
//!
//! An answer is a state, the members of a description, an error code, or `NOT_FOUND`; `Times` repeats it. The answers
//! come one after another, and the last one stays. A line that is an image's id, as a JSON string, is answered with
//! `{"calls": COUNT}`: how often it has been described. The end of standard input is the end of the simulator.

use std::{
    error::Error,
    io::{self, Write as _},
};

use serde_json::{Map, Value, json};
use simulator::{Answer, WorkSpaces, description};
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let workspaces = WorkSpaces::start().await?;
    say(&json!({"url": workspaces.url()}))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let script: Map<String, Value> = match serde_json::from_str(&line)? {
            Value::Object(script) => script,
            Value::String(image_id) => {
                say(&json!({"calls": workspaces.calls_of(&image_id)}))?;
                continue;
            }
            _ => return Err("a line is a script or an image's id".into()),
        };
        for (image_id, answers) in &script {
            let answers = answers.as_array().ok_or("the answers of an image are a list")?;
            let answers = answers.iter().map(|said| answers_of(image_id, said)).collect::<Result<Vec<_>, _>>()?;
            workspaces.script(image_id, answers.concat());
        }
        say(&json!({"scripted": script.len()}))?;
    }
    Ok(())
}

fn say(value: &Value) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{value}")?;
    stdout.flush()
}

/// One element of a script, as often as it is to be given.
fn answers_of(image_id: &str, said: &Value) -> Result<Vec<Answer>, Box<dyn Error>> {
    let Some(members) = said.as_object() else {
        let state = said.as_str().ok_or("an answer is a state or an object")?;
        let not_found = state == "NOT_FOUND";
        return Ok(vec![if not_found { Answer::NotFound } else { description(image_id, state).into() }]);
    };
    let mut members = members.clone();
    let times = members.remove("Times").map_or(Ok(1), serde_json::from_value)?;
    let answer = if let Some(code) = members.remove("Error") {
        let message = "The script says so.".to_owned();
        Answer::Error { status: 400, code: serde_json::from_value(code)?, message }
    } else {
        let body = description(image_id, "");
        members.into_iter().fold(body, |body, (name, value)| body.member(&name, value)).into()
    };
    Ok(vec![answer; times])
}
