//! An answer that was cut off is no answer.
//!
//! The SDK reads XML as far as it comes: half of a `DescribeStacks` answer is a stack with some of its fields, or no stack at
//! all, and so a reason to deploy. HTTP notices a body that is too short, but not where its end is the end of the connection,
//! or where something on the way counted the half anew.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses a successful answer whose XML does not end where it should.
#[derive(Debug)]
pub(crate) struct WholeAnswers;

impl Intercept for WholeAnswers {
    fn name(&self) -> &'static str {
        "WholeAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default();
        if response.status().is_success() && !is_whole(&String::from_utf8_lossy(body)) {
            return Err("the answer was cut off".into());
        }
        Ok(())
    }
}

/// Whether the outermost element is closed at the end of the text.
fn is_whole(xml: &str) -> bool {
    let mut rest = xml.trim();
    while rest.starts_with("<?") || rest.starts_with("<!--") {
        let Some((_, after)) = rest.split_once('>') else {
            return false;
        };
        rest = after.trim_start();
    }
    let Some(inside) = rest.strip_prefix('<') else {
        return false;
    };
    let name = inside
        .split(|c: char| c.is_whitespace() || c == '>' || c == '/')
        .next()
        .unwrap_or_default();
    !name.is_empty() && (rest.ends_with(&format!("</{name}>")) || is_empty_element(rest))
}

fn is_empty_element(rest: &str) -> bool {
    rest.ends_with("/>") && rest.matches('<').count() == 1
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn only_a_closed_document_is_whole() {
        let whole = "<?xml version=\"1.0\"?>\n<DescribeStacksResponse xmlns=\"x\"><DescribeStacksResult><Stacks>\
                     <member><StackStatus>UPDATE_COMPLETE</StackStatus></member></Stacks></DescribeStacksResult>\
                     </DescribeStacksResponse>\n";
        assert!(is_whole(whole));
        assert!(is_whole("<A/>") && is_whole("<A></A>"));
        for length in 0..whole.trim_end().len() {
            assert!(!is_whole(&whole[..length]), "{}", &whole[..length]);
        }
        for broken in ["", " ", "ok", "<", "<>", "<A>", "<A></B>", "<A><B/>"] {
            assert!(!is_whole(broken), "{broken}");
        }
    }
}
