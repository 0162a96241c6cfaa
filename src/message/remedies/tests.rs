use std::{collections::HashSet, fmt::Write as _, path::Path};

use super::{table::REMEDIES, *};

#[test]
fn the_case_of_a_code_does_not_matter() {
    for code in ["PendingReboot", "pendingreboot", "PENDINGREBOOT"] {
        assert_eq!(find(code).map(|remedy| remedy.codes[0]), Some("PendingReboot"));
    }
    assert_eq!(find("AppxInstalled").map(|remedy| remedy.codes[0]), Some("AppXPackagesInstalled"));
    assert_eq!(find("PendingReboots"), None);
    assert_eq!(find(""), None);
}

#[test]
fn every_code_has_one_remedy() {
    let codes: Vec<String> =
        REMEDIES.iter().flat_map(|remedy| remedy.codes).map(|code| code.to_ascii_lowercase()).collect();
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
    assert!(REMEDIES.is_sorted_by_key(|remedy| remedy.codes[0].to_ascii_lowercase()), "in the order of the codes");
}

#[test]
fn each_text_is_one_sentence_without_markup() {
    for text in REMEDIES.iter().flat_map(|remedy| [remedy.problem, remedy.fix]) {
        assert!(text.ends_with('.') && !text.contains(". "), "{text}");
        let is_plain = |character: char| character.is_ascii_graphic() || character == ' ';
        assert!(text.chars().all(is_plain) && !text.contains(|character| "*_~`<>&@[]|#".contains(character)), "{text}");
    }
}

/// `UPDATE_REMEDIES=1 cargo test --lib remedies` writes the page anew.
#[test]
fn the_page_in_the_docs_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/remedies.md");
    let generated = page();
    if std::env::var_os("UPDATE_REMEDIES").is_some() {
        std::fs::write(&path, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{} differs from the table; see UPDATE_REMEDIES", path.display());
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for Remedy { codes, problem, fix, page: guide } in REMEDIES {
        let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        let guide = format!("[{}]({})", guide.title(), guide.url());
        let _ = writeln!(page, "| {} | {problem} | {fix} | {guide} |", codes.join("<br>"));
    }
    page.push_str(END);
    page
}

const INTRODUCTION: &str = "# Remedies

<!-- Generated from src/message/remedies/table.rs: UPDATE_REMEDIES=1 cargo test --locked --lib remedies -->

This page lists the error codes that the function knows, what they mean, and what to do about them. The remedies are also
in [emails and chat cards](messages.md#email), and in the [`Remedies`](contract.md#remedies) of a message.

AWS does not publish which codes an import sends. The table contains the codes of images in the WorkSpaces API and those
that only the administration guide names. The function compares codes without regard to case. If it does not know a code,
it shows what WorkSpaces says and links to the guide.

| Code | What is wrong | What to do | Guide |
|---|---|---|---|
";

const END: &str = "
## Kinds of errors

The guide distinguishes four kinds of errors:

- **Errors of the image.** Fix the source machine, create a new image from it, and import that image.
- **Errors of EC2 Image Builder.** Look at the logs of the build in CloudWatch.
- **Errors of EC2.** WorkSpaces keeps the build instance. Fix the error there, and retry the import on the Images page of
  the WorkSpaces console. The import can therefore leave the state `ERROR` again.
- **Errors that WorkSpaces fixes automatically.** You do not have to do anything. WorkSpaces lists these errors, too, so
  an error in a state other than `ERROR` does not mean that the import fails.

## Causes without a code

The guide also names the following causes, for which there is no code:

- The AMI is encrypted, or the account encrypts EBS volumes by default.
- The VPC of the build has no way to the internet.
- The account runs fewer than 50 WorkSpaces in the Region, which BYOL requires.
- The time server cannot be reached.
";
