//! Runs the program as a process and checks its output and its exit codes.

// Clippy allows it in tests, but not in the functions that they share.
#![allow(clippy::unwrap_used)]

use std::{
    env,
    fs::{self, File},
    io::{Read as _, pipe},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use console::{measure_text_width, strip_ansi_codes};
use fake_aws::{Answer, DescriptionBody, Sns, WorkSpaces, description};
use nix::{
    pty::{OpenptyResult, Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    task::spawn_blocking,
    time::timeout,
};

/// The time after which a run has certainly hung.
const LIMIT: Duration = Duration::from_mins(2);

const IMAGE: &str = "wsi-0a1b2c3d4";
const OTHER: &str = "wsi-1b2c3d4e5";

/// The start of a color code, and the code for red.
const ESCAPE: char = '\x1b';
const RED: &str = "\x1b[31m";

/// Fake services, which the program takes for real ones.
struct Services {
    workspaces: WorkSpaces,
    sns: Sns,
}

impl Services {
    async fn start() -> Self {
        Self { workspaces: WorkSpaces::start().await.unwrap(), sns: Sns::start().await.unwrap() }
    }

    /// Tracks real imports, with these arguments in addition.
    fn aws(&self, arguments: &[&str]) -> Command {
        let mut command = local(&["--aws"]);
        command
            .args(arguments)
            .env("TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:image-imports")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDTEST")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL_WORKSPACES", self.workspaces.url())
            .env("AWS_ENDPOINT_URL_SNS", self.sns.url())
            // Nothing listens on this port.
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        command
    }

    fn script(&self, image_id: &str, states: &[&str]) {
        let answers: Vec<Answer> = states.iter().map(|state| description(image_id, state).into()).collect();
        self.workspaces.script(image_id, answers);
    }
}

/// The program, with an empty environment.
fn local(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .args(arguments)
        .env_clear()
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn failed(image_id: &str) -> DescriptionBody {
    description(image_id, "ERROR").progress(41).error("DiskFull", "No space is left.")
}

async fn finish(mut command: Command) -> Output {
    end_of(command.spawn().unwrap()).await
}

async fn end_of(child: Child) -> Output {
    timeout(LIMIT, child.wait_with_output()).await.expect("the program hangs").unwrap()
}

/// Runs the command with its standard output or its standard error on a terminal with this many columns. Returns what
/// the terminal gets, too.
async fn on_terminal(mut command: Command, columns: u16, error: bool) -> (Output, String) {
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
    if error {
        command.stderr(slave)
    } else {
        command.stdout(slave)
    };
    let child = command.spawn().unwrap();
    // This closes our end of the terminal's line, so that reading ends with the program.
    drop(command);
    let reading = spawn_blocking(move || {
        let (mut terminal, mut shown, mut buffer) = (File::from(master), Vec::new(), [0; 4096]);
        // Linux ends a terminal with an error.
        while let Ok(length @ 1..) = terminal.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8(shown).unwrap()
    });
    (end_of(child).await, reading.await.unwrap())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// The lines of JSON on standard output.
fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn transition_ids(output: &Output) -> Vec<String> {
    let ids = lines(output).into_iter().map(|line| line["TransitionId"].as_str().unwrap().to_owned());
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}

fn interrupt(child: &Child) {
    let pid = child.id().unwrap().try_into().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
}

/// A new folder for the files of one test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// An AWS CLI that runs this shell script, in a folder to put into `PATH`.
fn aws_cli(test: &str, script: &str) -> String {
    let folder = folder(test);
    fs::write(folder.join("aws"), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(folder.join("aws"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), env::var("PATH").unwrap())
}

#[tokio::test]
async fn the_demo_announces_three_imports_and_says_how_to_deploy() {
    let end = finish(local(&[])).await;
    assert_eq!(code(&end), 0, "{end:?}");
    let (announced, rest) = stdout(&end).split_once("\nThe complete email").unwrap();
    let (_, announced) = announced.split_once("\n\n").unwrap();
    assert_eq!(announced.lines().count(), 28, "one line an announcement: {announced}");
    assert!(announced.lines().all(|line| line.contains(": windows-1") && line.contains(" (wsi-")), "{announced}");
    assert!(rest.contains("Success: 28 announcements for 3 imports"), "{rest}");
    assert!(rest.contains("sam deploy"), "{rest}");
}

#[tokio::test]
async fn sixty_columns_break_lines_between_words() {
    breaks_lines_between_words(60).await;
}

#[tokio::test]
async fn eighty_columns_break_lines_between_words() {
    breaks_lines_between_words(80).await;
}

async fn breaks_lines_between_words(columns: u16) {
    for arguments in [&[][..], &["--help"]] {
        let (end, shown) = on_terminal(local(arguments), columns, false).await;
        assert_eq!(code(&end), 0, "{end:?}");
        for line in shown.lines() {
            let is_word = !strip_ansi_codes(line).trim().contains(' ');
            assert!(measure_text_width(line) <= columns.into() || is_word, "{line}");
        }
    }
}

#[tokio::test]
async fn the_self_test_on_simulated_and_on_real_services() {
    let end = finish(local(&["--self-test"])).await;
    let expected = ["passed DescribeImport", "passed ListImages", "passed Publish"];
    let lines: Vec<&str> = stdout(&end).lines().map(|line| line.split_once(" (").unwrap().0).collect();
    assert_eq!((code(&end), lines), (0, expected.to_vec()), "{end:?}");

    let services = Services::start().await;
    let mut command = services.aws(&["--self-test"]);
    command.env_remove("LEDGER_TABLE");
    let end = finish(command).await;
    assert_eq!(code(&end), 0, "{end:?}");
    assert_eq!(services.sns.published()[0].json()["Kind"], "TEST");

    let denied = Answer::Error { status: 400, code: "AccessDeniedException".into(), message: "No.".into() };
    services.workspaces.set_default(denied);
    let end = finish(services.aws(&["--self-test"])).await;
    assert_eq!(code(&end), 1, "{end:?}");
    let failed = "    WorkSpaces.AccessDeniedException: No.\n    Allow workspaces:DescribeCustomWorkspaceImageImport ";
    assert!(stdout(&end).contains(failed), "{end:?}");
    let end = finish(services.aws(&["--self-test", "--json"])).await;
    assert_eq!((code(&end), &self::lines(&end)[0]["Passed"]), (1, &json!(false)));

    let end = finish(services.aws(&[IMAGE, "--self-test"])).await;
    assert_eq!((code(&end), stderr(&end)), (2, "error: --self-test takes no images\n"));
}

#[tokio::test]
async fn imports_that_complete() {
    let services = Services::start().await;
    services.script(IMAGE, &["VALIDATING", "COMPLETED"]);
    services.workspaces.set(OTHER, description(OTHER, "COMPLETED").progress(100));
    let end = finish(services.aws(&[IMAGE, OTHER, "--wait", "1", "--json"])).await;
    assert_eq!(code(&end), 0, "{end:?}");
    let expected = ["wsi-0a1b2c3d4#1:VALIDATING", "wsi-0a1b2c3d4#2:COMPLETED", "wsi-1b2c3d4e5#1:COMPLETED"];
    assert_eq!(transition_ids(&end), expected);
    let other = lines(&end).into_iter().find(|line| line["ImageId"] == OTHER).unwrap();
    assert_eq!((&other["ProgressPercentage"], &other["ErrorCodes"]), (&json!(100), &json!([])));
    assert!(other["Time"].as_str().unwrap().ends_with('Z'), "{other}");
    assert!(stderr(&end).contains("Time in each state"), "{end:?}");
    assert_eq!(services.sns.published().len(), 3);
}

#[tokio::test]
async fn an_import_that_fails() {
    let services = Services::start().await;
    services.workspaces.set(IMAGE, failed(IMAGE));
    services.script(OTHER, &["COMPLETED"]);
    let end = finish(services.aws(&[IMAGE, OTHER])).await;
    assert_eq!(code(&end), 1, "{end:?}");
    assert!(stdout(&end).contains("DiskFull: No space is left."), "{end:?}");
    let end = finish(services.aws(&[IMAGE, "--json"])).await;
    let line = &lines(&end)[0];
    assert_eq!((&line["ProgressPercentage"], &line["ErrorCodes"]), (&json!(41), &json!(["DiskFull"])));
}

#[tokio::test]
async fn imports_that_cannot_be_checked() {
    let services = Services::start().await;
    let denied = Answer::Error { status: 400, code: "AccessDeniedException".into(), message: "No.".into() };
    services.workspaces.set(IMAGE, denied);
    let end = finish(services.aws(&[IMAGE])).await;
    assert_eq!((code(&end), stderr(&end)), (2, "error: WorkSpaces.AccessDeniedException: No.\n"));
}

#[tokio::test]
async fn wrong_options_and_settings_are_named() {
    let services = Services::start().await;
    let wrong = |name: &str, value: &str| {
        let mut command = services.aws(&[IMAGE]);
        command.env(name, value);
        command
    };
    let mut without_region = services.aws(&[IMAGE]);
    without_region.env_remove("AWS_REGION");
    for (command, named) in [
        (local(&["--nonsense"]), "--nonsense"),
        (local(&["--wait", "5"]), "--aws"),
        (local(&["--json", "--serve"]), "--serve"),
        (services.aws(&["--continue", "missing.json"]), "missing.json"),
        (wrong("TOPIC_ARN", "image-imports"), "TOPIC_ARN"),
        (wrong("AWS_RETRY_MODE", "legacy"), "AWS_RETRY_MODE must be standard or adaptive"),
        (without_region, "AWS_REGION"),
    ] {
        let end = finish(command).await;
        assert_eq!(code(&end), 2, "{named}: {end:?}");
        assert!(stderr(&end).starts_with("error: ") && stderr(&end).contains(named), "{named}: {end:?}");
    }
}

#[tokio::test]
async fn the_version() {
    let end = finish(local(&["--version"])).await;
    assert_eq!((code(&end), stdout(&end)), (0, concat!("local ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[tokio::test]
async fn without_a_topic_transitions_are_only_shown() {
    let services = Services::start().await;
    services.script(IMAGE, &["VALIDATING", "COMPLETED"]);
    let mut command = services.aws(&[IMAGE, "--wait", "1"]);
    // Nothing answers for the ledger. A run that used it would fail.
    command.env_remove("TOPIC_ARN").env("LEDGER_TABLE", "ledger");
    let end = finish(command).await;
    assert_eq!(code(&end), 0, "{end:?}");
    assert!(stdout(&end).contains("wsi-0a1b2c3d4: VALIDATING -> COMPLETED\n"), "{end:?}");
    assert!(stdout(&end).starts_with("TOPIC_ARN is not set."), "{end:?}");
    assert!(stdout(&end).ends_with("Nothing was published, because TOPIC_ARN is not set.\n"), "{end:?}");
    assert!(services.sns.requests().is_empty());
}

#[tokio::test]
async fn without_credentials_the_program_says_how_to_get_some() {
    let services = Services::start().await;
    let mut command = services.aws(&[IMAGE]);
    let path = aws_cli("no_credentials", "echo Unable to locate credentials >&2; exit 255");
    command.env_remove("AWS_ACCESS_KEY_ID").env("PATH", path);
    let end = finish(command).await;
    assert_eq!((code(&end), stdout(&end)), (2, ""), "{end:?}");
    assert!(stderr(&end).starts_with("error: no AWS credentials found"), "{end:?}");
    assert!(stderr(&end).contains("`aws sso login`"), "{end:?}");
    assert!(stderr(&end).contains("Unable to locate credentials"), "{end:?}");
}

#[tokio::test]
async fn the_aws_cli_provides_credentials() {
    let services = Services::start().await;
    services.script(IMAGE, &["COMPLETED"]);
    let mut command = services.aws(&[IMAGE]);
    let credentials = json!({"Version": 1, "AccessKeyId": "AKIDCLI", "SecretAccessKey": "test"});
    let script = format!("[ \"$*\" = 'configure export-credentials --format process' ] && echo '{credentials}'");
    command.env_remove("AWS_ACCESS_KEY_ID").env("PATH", aws_cli("credentials", &script));
    let end = finish(command).await;
    assert_eq!(code(&end), 0, "{end:?}");
    let signed = services.workspaces.calls()[0].headers["authorization"].to_str().unwrap().to_owned();
    assert!(signed.contains("AKIDCLI"), "{signed}");
}

#[tokio::test]
async fn the_retry_mode_of_the_aws_cli_does_not_matter() {
    let services = Services::start().await;
    services.script(IMAGE, &["COMPLETED"]);
    let file = folder("retry_mode").join("config");
    fs::write(&file, "[default]\nretry_mode = legacy\n").unwrap();
    let mut command = services.aws(&[IMAGE]);
    command.env("AWS_CONFIG_FILE", file);
    let end = finish(command).await;
    assert_eq!(code(&end), 0, "{end:?}");
}

#[tokio::test]
async fn ctrl_c_prints_the_event_that_continues() {
    for json in [false, true] {
        let services = Services::start().await;
        services.script(IMAGE, &["VALIDATING"]);
        let mut command = services.aws(&[IMAGE, "--wait", "600"]);
        if json {
            command.arg("--json");
        }
        let mut child = command.spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(LIMIT, printed.next_line()).await.unwrap().unwrap().unwrap();
        assert!(first.contains("VALIDATING"), "{first}");
        interrupt(&child);
        let mut last = first;
        while let Some(line) = printed.next_line().await.unwrap() {
            last = line;
        }
        let end = end_of(child).await;
        assert_eq!(code(&end), 130, "{end:?}");
        if json {
            stderr(&end).lines().next_back().unwrap().clone_into(&mut last);
        }
        assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["Imports"][0]["ImageId"], IMAGE);

        let file = folder(&format!("continue_{json}")).join("event.json");
        fs::write(&file, last).unwrap();
        services.script(IMAGE, &["COMPLETED"]);
        let end = finish(services.aws(&["--continue", file.to_str().unwrap(), "--json"])).await;
        assert_eq!(code(&end), 0, "{end:?}");
        assert_eq!(transition_ids(&end), ["wsi-0a1b2c3d4#2:COMPLETED"]);
    }
}

#[tokio::test]
async fn serve_prints_variables_until_ctrl_c() {
    let mut child = local(&["--serve"]).spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    while !timeout(LIMIT, notes.next_line()).await.unwrap().unwrap().unwrap().contains("Press Ctrl-C") {}
    interrupt(&child);
    let end = end_of(child).await;
    assert_eq!(code(&end), 130, "{end:?}");
    assert!(stdout(&end).contains("export AWS_ENDPOINT_URL_WORKSPACES=http://127.0.0.1:"), "{end:?}");
}

#[tokio::test]
async fn the_event_that_discovers_finds_imports() {
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/discover.json");
    let end = finish(local(&["--event", event])).await;
    assert_eq!(code(&end), 0, "{end:?}");
    let response: Value = serde_json::from_str(stdout(&end)).unwrap();
    assert_eq!(response["Transitions"].as_array().unwrap().len(), 3, "{response}");
    assert_eq!(stderr(&end).lines().count(), 3, "one line an announcement: {end:?}");
}

#[tokio::test]
async fn a_closed_pipe_ends_the_run_quietly() {
    let services = Services::start().await;
    services.script(IMAGE, &["VALIDATING"]);
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/cli.json");
    for mut command in [local(&[]), local(&["--serve"]), services.aws(&[IMAGE, "--json"]), services.aws(&[IMAGE])] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        command.stdout(writer);
        let end = finish(command).await;
        assert_eq!((code(&end), stderr(&end)), (141, ""));
    }
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = local(&["--event", event]);
    command.stdout(writer);
    let end = finish(command).await;
    assert_eq!((code(&end), stderr(&end)), (141, "PENDING: WorkSpaces image wsi-0a1b2c3d4\n"));
}

#[tokio::test]
async fn only_a_terminal_gets_colors() {
    let services = Services::start().await;
    services.workspaces.set(IMAGE, failed(IMAGE));
    for (arguments, variable, colored) in
        [(&[IMAGE][..], "", true), (&[IMAGE], "NO_COLOR", false), (&[IMAGE, "--json"], "", false)]
    {
        let mut command = services.aws(arguments);
        if !variable.is_empty() {
            command.env(variable, "1");
        }
        let (end, shown) = on_terminal(command, 80, false).await;
        assert_eq!(code(&end), 1, "{end:?}");
        assert_eq!(shown.contains(ESCAPE), colored, "{shown}");
        assert!(!stderr(&end).contains(ESCAPE), "{end:?}");
    }
}

#[tokio::test]
async fn the_bar_of_a_failed_import_is_red_and_fits() {
    let services = Services::start().await;
    services.workspaces.set(IMAGE, failed(IMAGE));
    services.workspaces.script(
        OTHER,
        [
            description(OTHER, "IMAGE_TESTING_GENERALIZATION").into(),
            Answer::Error { status: 400, code: "ThrottlingException".into(), message: "Rate exceeded.".into() },
            description(OTHER, "COMPLETED").progress(100).into(),
        ],
    );
    for columns in [60, 80] {
        let mut command = services.aws(&[IMAGE, OTHER, "--wait", "1"]);
        command.env("AWS_MAX_ATTEMPTS", "1");
        let (end, shown) = on_terminal(command, columns, true).await;
        assert_eq!(code(&end), 1, "{end:?}");
        let last = shown.lines().rfind(|line| line.contains(IMAGE)).unwrap();
        let (_, last) = last.rsplit_once(IMAGE).unwrap();
        assert!(last.contains(&format!("[{RED}=")) && last.contains(&format!("{RED}ERROR")), "{last:?}");
        // In place of a line break, the rest of the terminal's line is filled with spaces.
        for line in strip_ansi_codes(&shown).split("wsi-") {
            assert!("wsi-".len() + measure_text_width(line.trim_end()) <= columns.into(), "{line:?}");
        }
    }
}
