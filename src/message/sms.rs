//! The SMS.

use std::fmt::Write as _;

use super::{draft::MAX_SUBJECT_CHARS, facts::Facts, safe::one_line};

/// The maximum length, in characters: one [SMS message][sms] holds 140 bytes.
///
/// [sms]: https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html
const MAX_CHARS: usize = 140;

/// One line, the most important first. It names as many error codes as fit.
pub(super) fn sms(facts: &Facts<'_>) -> String {
    let mut sms = facts.subject(one_line, MAX_SUBJECT_CHARS);
    if let Some(progress) = facts.description.progress_percentage {
        let _ = write!(sms, ", {progress}%");
    }
    if let Some(left) = &facts.time_left {
        let _ = write!(sms, ", about {left} left");
    }
    match facts.errors.len() {
        0 => {}
        1 => sms.push_str(". 1 error"),
        errors => {
            let _ = write!(sms, ". {errors} errors");
        }
    }
    let mut separator = ": ";
    for code in facts.errors.iter().filter_map(|error| error.code) {
        let code = one_line(code);
        if sms.chars().count() + separator.len() + code.chars().count() > MAX_CHARS {
            break;
        }
        sms.push_str(separator);
        sms.push_str(&code);
        separator = ", ";
    }
    sms.chars().take(MAX_CHARS).collect()
}
