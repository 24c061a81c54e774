//! Names that come from outside, parsed once at the door: correlation ids, environments, stack names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a name from outside was refused. The text is one sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The value is empty.
    #[error("the {what} is empty: give {expected}")]
    Empty {
        /// Which name it was, in the field's words.
        what: &'static str,
        /// What a good one looks like.
        expected: &'static str,
    },
    /// The value is longer than allowed.
    #[error("the {what} is {length} characters long, {max} is the most: give {expected}")]
    TooLong {
        /// Which name it was.
        what: &'static str,
        /// Its length in characters.
        length: usize,
        /// The longest allowed.
        max: usize,
        /// What a good one looks like.
        expected: &'static str,
    },
    /// The value has a character that is not allowed, or not there.
    #[error("the {what} {shown:?} has {found:?} at position {position}: give {expected}")]
    BadCharacter {
        /// Which name it was.
        what: &'static str,
        /// The beginning of the value.
        shown: String,
        /// The character.
        found: char,
        /// Its position, counted from 1.
        position: usize,
        /// What a good one looks like.
        expected: &'static str,
    },
}

struct Rule {
    what: &'static str,
    expected: &'static str,
    max: usize,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
}

impl Rule {
    fn check(&self, text: &str) -> Result<(), IdError> {
        let (what, expected) = (self.what, self.expected);
        if text.is_empty() {
            return Err(IdError::Empty { what, expected });
        }
        let bad = text.chars().enumerate().find(|&(at, c)| {
            let allowed = if at == 0 { self.first } else { self.rest };
            !allowed(c)
        });
        if let Some((at, found)) = bad {
            return Err(IdError::BadCharacter {
                what,
                shown: text.chars().take(40).collect(),
                found,
                position: at + 1,
                expected,
            });
        }
        let length = text.chars().count();
        if length > self.max {
            return Err(IdError::TooLong {
                what,
                length,
                max: self.max,
                expected,
            });
        }
        Ok(())
    }
}

const CORRELATION_ID: Rule = Rule {
    what: "correlation id",
    expected: "1 to 128 of A-Z a-z 0-9 . _ : - that does not start with '-' or '.', like 20260114-123456-abc123",
    max: 128,
    first: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-'),
};

const ENVIRONMENT: Rule = Rule {
    what: "environment",
    expected: "1 to 64 of A-Z a-z 0-9 . _ - that starts with a letter or digit, like production",
    max: 64,
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'),
};

// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html: [a-zA-Z][-a-zA-Z0-9]*, 128 at most.
const STACK_NAME: Rule = Rule {
    what: "stack name",
    expected: "a stack's name (a letter, then up to 127 letters, digits and hyphens) or its ARN",
    max: 128,
    first: |c| c.is_ascii_alphabetic(),
    rest: |c| c.is_ascii_alphanumeric() || c == '-',
};

const STACK_ARN: Rule = Rule {
    what: "stack ARN",
    expected: "arn:PARTITION:cloudformation:REGION:ACCOUNT:stack/NAME/ID",
    max: 1024,
    first: |c| c == 'a',
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '-' | '_' | '.' | '+' | '='),
};

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// The id of one deployment, used in the registry, logs, file names and Slack messages.
///
/// 1 to 128 characters from `A-Z a-z 0-9 . _ : -`, not starting with `-` or `.`, so it is safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(String);
text_type!(CorrelationId);

impl FromStr for CorrelationId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        CORRELATION_ID.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl CorrelationId {
    /// Makes a new id, `YYYYMMDD-HHMMSS-` and six hexadecimal digits of `random`.
    #[must_use]
    pub fn generate(now: crate::clock::Timestamp, random: u32) -> Self {
        Self(format!("{}-{:06x}", now.compact(), random & 0x00ff_ffff))
    }
}

/// The name of an environment, such as `production`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment(String);
text_type!(Environment);

impl FromStr for Environment {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        ENVIRONMENT.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// A stack's name or its ARN (stack id), in any partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackName(String);
text_type!(StackName);

impl FromStr for StackName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with("arn:") {
            STACK_ARN.check(text)?;
            let name = Self(text.to_owned());
            if name.arn_part(2) != Some("cloudformation") || name.name() == text {
                return Err(IdError::BadCharacter {
                    what: STACK_ARN.what,
                    shown: text.chars().take(80).collect(),
                    found: ':',
                    position: 4,
                    expected: STACK_ARN.expected,
                });
            }
            return Ok(name);
        }
        STACK_NAME.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl StackName {
    fn arn_part(&self, index: usize) -> Option<&str> {
        self.0
            .starts_with("arn:")
            .then(|| self.0.splitn(6, ':').nth(index))
            .flatten()
    }

    /// Whether this is an ARN (a stack id) and not a plain name.
    #[must_use]
    pub fn is_arn(&self) -> bool {
        self.0.starts_with("arn:")
    }

    /// The plain name, also of an ARN.
    #[must_use]
    pub fn name(&self) -> &str {
        self.arn_part(5)
            .and_then(|resource| resource.strip_prefix("stack/"))
            .and_then(|rest| rest.split('/').next())
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.0)
    }

    /// The region of an ARN; `None` for a plain name.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.arn_part(3).filter(|region| !region.is_empty())
    }

    /// Parses a comma-separated list, as in `cdk deploy --all`; at least one name, doubles dropped, order kept.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, IdError> {
        let mut names: Vec<Self> = Vec::new();
        for part in text.split(',') {
            let name: Self = part.trim().parse()?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_ids() {
        for good in [
            "20260114-123456-abc123",
            "deploy-20260114-123456-21039314875",
            "a",
            "_x:1.2",
            &"a".repeat(128),
        ] {
            assert!(good.parse::<CorrelationId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            ".a",
            "..",
            "a/b",
            "a b",
            "a\n",
            "ä",
            &"a".repeat(129),
            "a\u{1b}[31m",
            "$(x)",
        ] {
            assert!(bad.parse::<CorrelationId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_refusal_says_what_and_where() {
        let error = "a/b".parse::<CorrelationId>().unwrap_err().to_string();
        assert_eq!(
            error,
            "the correlation id \"a/b\" has '/' at position 2: give 1 to 128 of A-Z a-z 0-9 . _ : - \
             that does not start with '-' or '.', like 20260114-123456-abc123"
        );
    }

    #[test]
    fn stack_names_and_arns_of_any_partition() {
        for partition in ["aws", "aws-cn", "aws-us-gov"] {
            let arn = format!(
                "arn:{partition}:cloudformation:eu-west-1:123456789012:stack/My-Stack/0a1b"
            );
            let stack: StackName = arn.parse().unwrap();
            assert_eq!(stack.name(), "My-Stack");
            assert_eq!(stack.region(), Some("eu-west-1"));
            assert!(stack.is_arn());
        }
        let plain: StackName = "My-Stack".parse().unwrap();
        assert_eq!((plain.name(), plain.region()), ("My-Stack", None));
        for bad in [
            "",
            "1a",
            "a_b",
            "a/b",
            "arn:aws:s3:::bucket",
            "arn:",
            "arn:aws:cloudformation:r:1:stack/",
        ] {
            assert!(bad.parse::<StackName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn stack_lists() {
        let list = StackName::parse_list("A, B,A").unwrap();
        assert_eq!(
            list.iter().map(StackName::as_str).collect::<Vec<_>>(),
            ["A", "B"]
        );
        assert!(StackName::parse_list("A,,B").is_err());
    }
}
