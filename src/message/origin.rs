//! Where an import runs: the account and the Region.

/// The account and the Region of the imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    account: Option<String>,
    region: String,
}

impl Origin {
    /// Takes the account from the [ARN][arn] that the function was invoked by: it is not in Lambda's environment, and
    /// asking STS would take a call.
    ///
    /// [arn]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
    #[must_use]
    pub fn new(invoked_function_arn: &str, region: &str) -> Self {
        let account = invoked_function_arn.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
        let account = account.filter(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()));
        Self { account: account.map(str::to_owned), region: region.to_owned() }
    }

    /// The ID of the account, if it is known.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The Region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The Region for people. It comes from the environment, so characters that could change the host of a link are
    /// removed.
    pub(super) fn safe_region(&self) -> String {
        let is_safe = |character: &char| character.is_ascii_alphanumeric() || *character == '-';
        self.region.chars().filter(is_safe).collect()
    }

    /// The account and the Region, for people.
    pub(super) fn place(&self) -> String {
        let region = self.safe_region();
        match &self.account {
            Some(account) => format!("Account {account}, Region {region}"),
            None => format!("Region {region}"),
        }
    }

    /// The console of the Region's partition.
    pub(super) fn console(&self) -> String {
        let region = self.safe_region();
        let domain = if region.starts_with("cn-") {
            "console.amazonaws.cn"
        } else if region.starts_with("us-gov-") {
            "console.amazonaws-us-gov.com"
        } else {
            "console.aws.amazon.com"
        };
        format!("https://{region}.{domain}")
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
            assert_eq!(Origin::new(arn, "eu-west-1").account(), account, "{arn}");
        }
    }
}
