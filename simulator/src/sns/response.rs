//! The XML that `PublishBatch` answers with.

use super::Published;
use crate::http::{Reply, escape};

/// An entry that was not taken.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) message: String,
}

/// The response; message ids count on from `first`, and on a FIFO topic so do sequence numbers.
pub(super) fn write(taken: &[Published], failed: &[Failed], first: usize) -> Reply {
    let successful: String = (first..).zip(taken).map(|(number, entry)| success(entry, number)).collect();
    let failed: String = failed.iter().map(failure).collect();
    Reply::xml(
        200,
        format!(
            "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>\
             <Failed>{failed}</Failed><Successful>{successful}</Successful></PublishBatchResult><ResponseMetadata>\
             <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></PublishBatchResponse>"
        ),
    )
}

fn success(entry: &Published, number: usize) -> String {
    let sequence =
        if entry.is_fifo() { format!("<SequenceNumber>{number:020}</SequenceNumber>") } else { String::new() };
    let id = escape(&entry.id);
    format!("<member><Id>{id}</Id><MessageId>00000000-0000-4000-9000-{number:012x}</MessageId>{sequence}</member>")
}

fn failure(failed: &Failed) -> String {
    // Everything but the service's own trouble is the sender's.
    let sender = !failed.code.starts_with("Internal") && !failed.code.starts_with("ServiceUnavailable");
    let (id, code, message) = (escape(&failed.id), escape(&failed.code), escape(&failed.message));
    format!(
        "<member><Id>{id}</Id><Code>{code}</Code><Message>{message}</Message>\
         <SenderFault>{sender}</SenderFault></member>"
    )
}
