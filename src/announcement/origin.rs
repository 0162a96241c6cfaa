//! Where imports run: the account and the Region.

use std::sync::OnceLock;

/// The account and the Region of the imports.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    account: OnceLock<String>,
    region: String,
}

impl Origin {
    /// Imports in this Region. The account is not known yet.
    pub fn new(region: impl Into<String>) -> Self {
        Self { account: OnceLock::new(), region: region.into() }
    }

    /// Learns the account from the [ARN][arn] that the function was invoked by. Only an invocation tells the account: it is
    /// not in Lambda's environment, and asking STS would take a call. An ARN without an account changes nothing.
    ///
    /// [arn]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
    pub fn learn_account(&self, invoked_function_arn: &str) {
        let account = invoked_function_arn.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
        if let Some(account) = account.filter(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())) {
            self.account.get_or_init(|| account.to_owned());
        }
    }

    /// The ID of the account, if it is known.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.get().map(String::as_str)
    }

    /// The Region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_comes_from_the_functions_arn() {
        for (arn, account) in [
            ("arn:aws:lambda:eu-west-1:123456789012:function:image-imports", Some("123456789012")),
            ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:image-imports:live", Some("123456789012")),
            ("", None),
            ("image-imports", None),
            ("arn:aws:lambda:eu-west-1:12345678901:function:image-imports", None),
            ("arn:aws:lambda:eu-west-1:12345678901x:function:image-imports", None),
            ("aws:lambda:eu-west-1:123456789012:function:image-imports", None),
        ] {
            let origin = Origin::new("eu-west-1");
            origin.learn_account(arn);
            assert_eq!(origin.account(), account, "{arn}");
        }
    }
}
