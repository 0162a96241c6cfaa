//! Reads the configuration from environment variables.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `TOPIC_ARN` | required | the SNS topic; the ARN of a FIFO topic ends in `.fifo` |
//! | `LEDGER_TABLE` | none | the ledger's DynamoDB table, by name or ARN |
//! | `CONCURRENCY` | 8 | the number of concurrent calls, 1 to 64 |
//! | `STALL_AFTER_SECONDS` | 21600 | how old the last update of a pending import may be; 0 turns stalls off |
//! | `MAX_RESPONSE_BYTES` | 245760 | the size limit of a response, 16,384 to 6,000,000 |
//! | `CONNECT_IN_INIT` | true | whether Init opens the connections to the services |
//! | `CHAT` | false | whether HTTPS subscribers get chat notifications instead of the JSON |
//!
//! An empty variable counts as unset, because templates pass on parameters that were left empty.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use crate::{error::Error, import::Record};

const TOPIC_ARN: &str = "TOPIC_ARN";
const LEDGER_TABLE: &str = "LEDGER_TABLE";
const CONCURRENCY: &str = "CONCURRENCY";
const STALL_AFTER_SECONDS: &str = "STALL_AFTER_SECONDS";
const MAX_RESPONSE_BYTES: &str = "MAX_RESPONSE_BYTES";
const CONNECT_IN_INIT: &str = "CONNECT_IN_INIT";
const CHAT: &str = "CHAT";

/// The function's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The topic to publish to.
    pub topic: Topic,
    /// The ledger's DynamoDB table, if there is one.
    pub ledger_table: Option<String>,
    /// The number of concurrent calls, 1 to 64.
    pub concurrency: usize,
    /// How old the last update of a pending import may be. `None` turns stalls off.
    pub stall_after: Option<Duration>,
    /// The size limit of a response, in bytes.
    pub max_response_bytes: usize,
    /// Whether Init opens the connections to the services.
    pub connect_in_init: bool,
    /// Whether HTTPS subscribers get chat notifications instead of the JSON.
    pub chat: bool,
}

/// An SNS topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// `arn:{partition}:sns:{region}:{account}:{name}`.
    pub arn: String,
    /// The topic's Region, from the ARN.
    pub region: String,
}

impl Topic {
    /// Whether this is a FIFO topic.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.arn.strip_suffix(".fifo").is_some()
    }
}

impl Config {
    /// Reads the configuration from the process's environment.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`], naming every variable that is missing or malformed.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| match std::env::var_os(name) {
            None => Ok(None),
            Some(value) => value.into_string().map(Some).map_err(|_| "is not UTF-8".to_owned()),
        })
    }

    /// Reads the configuration from the variables that `variable` looks up.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`], naming every variable that is missing or malformed.
    pub fn from_variables(variable: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Self, Error> {
        let mut reader = Reader { variable, problems: Vec::new() };
        let topic = reader.topic();
        let ledger_table = reader.table();
        let concurrency = reader.number(CONCURRENCY, 8, 1..=64);
        let stall_after = reader.number(STALL_AFTER_SECONDS, 21_600, 0..=315_360_000);
        let max_response_bytes = reader.number(MAX_RESPONSE_BYTES, 245_760, 16_384..=6_000_000);
        let connect_in_init = reader.flag(CONNECT_IN_INIT, true);
        let chat = reader.flag(CHAT, false);
        match topic {
            Some(topic) if reader.problems.is_empty() => Ok(Self {
                topic,
                ledger_table,
                concurrency,
                stall_after: (stall_after > 0).then(|| Duration::from_secs(stall_after)),
                max_response_bytes,
                connect_in_init,
                chat,
            }),
            _ => Err(Error::InvalidConfiguration(reader.problems.join("; "))),
        }
    }

    /// The maximum number of records per event.
    #[must_use]
    pub fn max_records(&self) -> usize {
        self.max_response_bytes / Record::MAX_BYTES
    }
}

struct Reader<V> {
    variable: V,
    problems: Vec<String>,
}

impl<V: Fn(&str) -> Result<Option<String>, String>> Reader<V> {
    fn problem(&mut self, name: &str, problem: impl Display) {
        self.problems.push(format!("{name} {problem}"));
    }

    fn get(&mut self, name: &str) -> Option<String> {
        match (self.variable)(name) {
            Ok(value) => value.filter(|value| !value.is_empty()),
            Err(problem) => {
                self.problem(name, problem);
                None
            }
        }
    }

    fn number<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.get(name) else { return default };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.problem(name, format!("must be an integer from {} to {}", range.start(), range.end()));
                default
            }
        }
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        let Some(text) = self.get(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.problem(name, "must be true or false");
            default
        })
    }

    fn topic(&mut self) -> Option<Topic> {
        let known = self.problems.len();
        let arn = self.get(TOPIC_ARN);
        if arn.is_none() && self.problems.len() == known {
            self.problem(TOPIC_ARN, "is missing: set it to the ARN of the SNS topic to publish to");
        }
        let arn = arn?;
        let parts: Vec<&str> = arn.split(':').collect();
        match parts[..] {
            ["arn", partition, "sns", region, account, name]
                if partition.starts_with("aws")
                    && !region.is_empty()
                    && account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit())
                    && is_topic_name(name) =>
            {
                Some(Topic { region: region.to_owned(), arn })
            }
            _ => {
                self.problem(TOPIC_ARN, "must be the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME");
                None
            }
        }
    }

    fn table(&mut self) -> Option<String> {
        let table = self.get(LEDGER_TABLE)?;
        let name = table.rsplit('/').next().unwrap_or_default();
        let named = (3..=255).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !named || table.contains('/') && !table.starts_with("arn:aws") {
            self.problem(LEDGER_TABLE, "must be the name or the ARN of a DynamoDB table");
        }
        Some(table)
    }
}

/// 1 to 256 characters of `A-Za-z0-9_-`. The name of a FIFO topic ends in `.fifo`.
///
/// Source: <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>
fn is_topic_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    !stem.is_empty() && name.len() <= 256 && stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
