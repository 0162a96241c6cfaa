//! The environment → one typed struct.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `TOPIC_ARN` | required | the topic; ends in `.fifo` for a FIFO one |
//! | `LEDGER_TABLE` | none | the ledger's table |
//! | `CONCURRENCY` | 8 | describes under way at once, 1 to 64 |
//! | `STALL_AFTER_SECONDS` | 21600 | 0: never |
//! | `MAX_RESPONSE_BYTES` | 245760 | 16,384 to 6,000,000 |
//! | `CONNECT_IN_INIT` | true | whether the start opens the connections to the services |
//!
//! An empty variable is as good as an unset one: templates pass on parameters that were left empty.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use crate::error::Error;

const TOPIC_ARN: &str = "TOPIC_ARN";
const LEDGER_TABLE: &str = "LEDGER_TABLE";
const CONCURRENCY: &str = "CONCURRENCY";
const STALL_AFTER_SECONDS: &str = "STALL_AFTER_SECONDS";
const MAX_RESPONSE_BYTES: &str = "MAX_RESPONSE_BYTES";
const CONNECT_IN_INIT: &str = "CONNECT_IN_INIT";

/// What a record may take of a response at the least.
const BYTES_PER_RECORD: usize = 512;

/// How the function is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where announcements go.
    pub topic: Topic,
    /// The DynamoDB table that remembers, where there is one.
    pub ledger_table: Option<String>,
    /// Calls under way at once, 1 to 64.
    pub concurrency: usize,
    /// How old a pending import's last update may grow; `None`: as old as it likes.
    pub stall_after: Option<Duration>,
    /// The most bytes of a response.
    pub max_response_bytes: usize,
    /// Whether the start opens the connections to the services.
    pub connect_in_init: bool,
}

/// An SNS topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// `arn:{partition}:sns:{region}:{account}:{name}`.
    pub arn: String,
    /// The region out of the ARN, which is the one to publish in.
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

    /// Reads the configuration from whatever `variable` says.
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
        match topic {
            Some(topic) if reader.problems.is_empty() => Ok(Self {
                topic,
                ledger_table,
                concurrency,
                stall_after: (stall_after > 0).then(|| Duration::from_secs(stall_after)),
                max_response_bytes,
                connect_in_init,
            }),
            _ => Err(Error::InvalidConfiguration(reader.problems.join("; "))),
        }
    }

    /// The most records that an event may bring.
    #[must_use]
    pub fn max_records(&self) -> usize {
        self.max_response_bytes / BYTES_PER_RECORD
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

/// 1 to 256 characters of `A-Za-z0-9_-`, with `.fifo` at the end of a FIFO topic's.
fn is_topic_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    !stem.is_empty() && name.len() <= 256 && stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
