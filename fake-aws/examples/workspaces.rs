//! Runs the `WorkSpaces` simulator as a process, for tests in other languages.
//!
//! The first line on standard output is `{"url": "http://127.0.0.1:PORT"}`. After that, each line on standard input is
//! a command, and the reply is one line on standard output. The process ends when standard input ends.
//!
//! A JSON object is a script: a list of answers for each image ID. The reply is `{"scripted": COUNT}`, with the number
//! of images. An example:
//!
//! ```json
//! {"wsi-0a1b2c3d4": ["PENDING", {"Error": "ThrottlingException", "Times": 4}, {"State": "ERROR"}, "NOT_FOUND"]}
//! ```
//!
//! An answer is a state, `NOT_FOUND`, or an object that has either the members of a description or an error code in
//! `Error`. `Times` in an object repeats the answer. Each call gets the next answer. The last answer also applies to
//! all further calls. `OTHER_IMAGE` as the only answer adds an image that was made in another way: it is listed as
//! `PENDING`, and it has no import.
//!
//! `ImportCustomWorkspaceImage` and `CreateWorkspaceBundle` get the answers for the name of the image or the bundle, in
//! place of its ID. Without answers, they succeed.
//!
//! A JSON string is an image ID or a name. The reply is `{"calls": COUNT, "creations": [REQUEST, …]}`, with the number
//! of calls that describe this image and the requests to create an image or a bundle of this name.

use std::{
    error::Error,
    io::{self, Write as _},
};

use fake_aws::{Answer, WorkSpaces, description};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let workspaces = WorkSpaces::start().await?;
    print(&json!({"url": workspaces.url()}))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let script: Map<String, Value> = match serde_json::from_str(&line)? {
            Value::Object(script) => script,
            Value::String(name) => {
                print(&json!({"calls": workspaces.calls_of(&name), "creations": workspaces.creations_of(&name)}))?;
                continue;
            }
            _ => return Err("a line must be a JSON object (a script) or a JSON string (an image ID or a name)".into()),
        };
        for (image_id, answers) in &script {
            if *answers == json!(["OTHER_IMAGE"]) {
                workspaces.add_other_image(image_id);
                continue;
            }
            let answers = answers.as_array().ok_or("the answers for an image must be a list")?;
            let answers = answers.iter().map(|answer| parse(image_id, answer)).collect::<Result<Vec<_>, _>>()?;
            workspaces.script(image_id, answers.concat());
        }
        print(&json!({"scripted": script.len()}))?;
    }
    Ok(())
}

fn print(value: &Value) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{value}")?;
    stdout.flush()
}

/// Parses one element of a script and repeats it `Times` times.
fn parse(image_id: &str, answer: &Value) -> Result<Vec<Answer>, Box<dyn Error>> {
    let Some(members) = answer.as_object() else {
        let state = answer.as_str().ok_or("an answer must be a string or an object")?;
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
