//! `PublishBatch` in the AWS Query protocol: a form with numbered keys as the request, XML as the response.

use std::collections::BTreeMap;

use super::Published;
use crate::http::{Reply, escape};

/// The request of one call, with its entries in order.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) topic_arn: String,
    pub(super) entries: Vec<Published>,
}

/// An entry that was not published.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) message: String,
}

/// Parses a form. A missing field becomes an empty string, which the rules reject.
pub(super) fn read(body: &[u8]) -> Batch {
    let mut topic_arn = String::new();
    let mut members: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
    for (key, value) in form_urlencoded::parse(body) {
        if key == "TopicArn" {
            topic_arn = value.into_owned();
        } else if let Some((number, field)) =
            key.strip_prefix("PublishBatchRequestEntries.member.").and_then(|rest| rest.split_once('.'))
            && let Ok(number) = number.parse()
        {
            members.entry(number).or_default().insert(field.to_owned(), value.into_owned());
        }
    }
    let entries = members.into_values().map(|fields| entry(&topic_arn, fields)).collect();
    Batch { topic_arn, entries }
}

fn entry(topic_arn: &str, mut fields: BTreeMap<String, String>) -> Published {
    let attributes = attributes(&mut fields);
    Published {
        id: fields.remove("Id").unwrap_or_default(),
        topic_arn: topic_arn.to_owned(),
        subject: fields.remove("Subject"),
        message_structure: fields.remove("MessageStructure"),
        message: fields.remove("Message").unwrap_or_default(),
        attributes,
        group_id: fields.remove("MessageGroupId"),
        deduplication_id: fields.remove("MessageDeduplicationId"),
    }
}

fn attributes(fields: &mut BTreeMap<String, String>) -> BTreeMap<String, (String, String)> {
    let mut attributes = BTreeMap::new();
    for number in 1_usize.. {
        let mut part = |name: &str| fields.remove(&format!("MessageAttributes.entry.{number}.{name}"));
        let Some(name) = part("Name") else { break };
        let kind = part("Value.DataType").unwrap_or_default();
        let value = part("Value.StringValue").or_else(|| part("Value.BinaryValue")).unwrap_or_default();
        attributes.insert(name, (kind, value));
    }
    attributes
}

/// The response. Message IDs, and sequence numbers on a FIFO topic, count up from `first`.
pub(super) fn write(published: &[Published], failed: &[Failed], first: usize) -> Reply {
    let successful: String = (first..).zip(published).map(|(number, entry)| success(entry, number)).collect();
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
    // SNS reports every error as the sender's fault, except its own internal ones.
    let sender = !failed.code.starts_with("Internal") && !failed.code.starts_with("ServiceUnavailable");
    let (id, code, message) = (escape(&failed.id), escape(&failed.code), escape(&failed.message));
    format!(
        "<member><Id>{id}</Id><Code>{code}</Code><Message>{message}</Message>\
         <SenderFault>{sender}</SenderFault></member>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries_in_numeric_order() {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for number in [10, 2, 1] {
            let key = |field: &str| format!("PublishBatchRequestEntries.member.{number}.{field}");
            form.append_pair(&key("Id"), &number.to_string());
            form.append_pair(&key("Message"), "a&b=ü");
            form.append_pair(&key("MessageAttributes.entry.1.Name"), "To");
            form.append_pair(&key("MessageAttributes.entry.1.Value.DataType"), "String");
            form.append_pair(&key("MessageAttributes.entry.1.Value.StringValue"), "PENDING");
        }
        let batch = read(form.append_pair("TopicArn", "arn").finish().as_bytes());
        assert_eq!(batch.topic_arn, "arn");
        assert_eq!(batch.entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["1", "2", "10"]);
        assert_eq!(batch.entries[2].message, "a&b=ü");
        assert_eq!(batch.entries[2].topic_arn, "arn");
        assert_eq!(batch.entries[2].attributes["To"], ("String".to_owned(), "PENDING".to_owned()));
        assert_eq!(batch.entries[2].subject, None);
    }
}
