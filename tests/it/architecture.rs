//! The arrows between the rooms of `src/`: what each one may use, as `docs/architecture.md` says.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rooms and the port, and the modules of this crate that each one may use. Other single files may use everything.
const ROOMS: [(&str, &[&str]); 7] = [
    ("import", &[]),
    ("message", &["import"]),
    ("event", &["import", "error"]),
    ("response", &["import"]),
    ("tracker", &["import", "event", "message", "error", "services", "time_budget"]),
    ("services", &["import", "message", "error"]),
    ("aws", &["import", "message", "error", "services", "config"]),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file without its comments and without its unit tests, which may use anything.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a readable file");
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that some code names, as `crate::name` or in `use crate::{name::…, other}`.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let mut depth = 0_usize;
        let mut name = String::new();
        let mut in_name = true;
        for character in rest.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 1 => in_name = true,
                'a'..='z' | '_' if in_name && depth <= 1 => {
                    name.push(character);
                    continue;
                }
                _ => {}
            }
            if !name.is_empty() {
                used.insert(std::mem::take(&mut name));
                in_name = false;
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

#[test]
fn each_room_uses_only_what_is_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = fs::read_dir(&src).expect("src").map(|entry| entry.expect("an entry").path());
    for folder in folders.filter(|path| path.is_dir()) {
        let is_room = ROOMS.iter().any(|(room, _)| folder.ends_with(room));
        assert!(is_room, "{} is not a room", folder.display());
    }
    for (room, allowed) in ROOMS {
        let file = src.join(room).with_extension("rs");
        for path in if file.exists() { vec![file] } else { rust_files(&src.join(room)) } {
            if path.file_name().is_some_and(|name| name == "tests.rs") {
                continue;
            }
            for used in used_modules(&code(&path)) {
                let is_allowed = used == room || allowed.contains(&used.as_str());
                assert!(is_allowed, "{} uses `{used}`, which `{room}` must not know", path.display());
            }
        }
    }
}

#[test]
fn only_aws_names_the_sdk() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in rust_files(&src).iter().filter(|path| !path.starts_with(src.join("aws"))) {
        let text = fs::read_to_string(path).expect("a readable file");
        for name in ["aws_config", "aws_credential_types", "aws_sdk_", "aws_smithy_"] {
            assert!(!text.contains(name), "{} names {name}…", path.display());
        }
    }
}

/// Rustfmt keeps code this narrow, but not comments.
#[test]
fn comments_have_at_most_120_columns() {
    for folder in ["src", "tests/it", "fake-aws", "benches/src", "examples/local"] {
        for path in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
            let text = fs::read_to_string(&path).expect("a readable file");
            for (number, line) in (1..).zip(text.lines()) {
                let is_comment = line.trim_start().starts_with("//") && !line.contains("https://");
                assert!(!is_comment || line.chars().count() <= 120, "{}:{number}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_modules_that_code_uses_are_found() {
    let code = "use crate::{\n    error::{CallError, Error},\n    import::ImageId,\n    services,\n};\nlet x = crate::event::parse();";
    let used = ["error", "import", "services", "event"].map(str::to_owned);
    assert_eq!(used_modules(code), BTreeSet::from(used));
}
