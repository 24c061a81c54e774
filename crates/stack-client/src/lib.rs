//! CloudFormation, seen through the real AWS SDK. The only crate that names it; its callers see
//! [`registry_core::stack::StackSource`] and nothing asynchronous.
#![warn(missing_docs)]

mod convert;
mod error;
mod source;
mod whole;

pub use source::{AwsStacks, Caller};
