//! What a signature says: the region, and when it was made. The signature itself is not verified; the keys are dummies.

use std::time::Duration;

use registry_core::clock::Timestamp;

use super::actions::AwsError;
use crate::http::Request;

/// AWS takes signatures this far off its own clock.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The region a request is for: from the credential scope, else from the host name, else `us-east-1`.
pub(super) fn region(request: &Request) -> String {
    let header = request.header("authorization").unwrap_or_default();
    let scope = match header.split_once("Credential=") {
        Some((_, rest)) => rest.split([',', ' ']).next(),
        None => request.query("X-Amz-Credential"),
    };
    let from_scope = scope.and_then(|scope| scope.split('/').nth(2));
    let from_host = || {
        request
            .header("host")
            .and_then(|host| host.strip_prefix("cloudformation.")?.split('.').next())
    };
    from_scope
        .or_else(from_host)
        .unwrap_or("us-east-1")
        .to_owned()
}

/// Refuses an unsigned request and one that was signed more than five minutes off the server's clock.
pub(super) fn check(request: &Request, now: Timestamp) -> Result<(), AwsError> {
    let is_signed =
        request.header("authorization").is_some() || request.query("X-Amz-Signature").is_some();
    if !is_signed {
        return Err(AwsError {
            status: 403,
            code: "MissingAuthenticationToken",
            message: "Request is missing Authentication Token".to_owned(),
        });
    }
    let text = request
        .header("x-amz-date")
        .or_else(|| request.query("X-Amz-Date"));
    let Some(signed) = text.and_then(parse) else {
        return Err(AwsError {
            status: 400,
            code: "IncompleteSignature",
            message: "Date must be in ISO-8601 'basic format'. Authorization header requires existence of a 'X-Amz-Date' header."
                .to_owned(),
        });
    };
    let (earliest, latest) = (now - TOLERANCE, now + TOLERANCE);
    let message = if signed < earliest {
        let [signed, earliest, now] = [signed, earliest, now].map(basic);
        format!("Signature expired: {signed} is now earlier than {earliest} ({now} - 5 min.)")
    } else if signed > latest {
        let [signed, latest, now] = [signed, latest, now].map(basic);
        format!("Signature not yet current: {signed} is still later than {latest} ({now} + 5 min.)")
    } else {
        return Ok(());
    };
    Err(AwsError {
        status: 403,
        code: "SignatureDoesNotMatch",
        message,
    })
}

/// `20260114T123456Z`.
fn parse(text: &str) -> Option<Timestamp> {
    let digits: Vec<char> = text.chars().collect();
    let part = |from: usize, to: usize| {
        digits
            .get(from..to)
            .map(|part| part.iter().collect::<String>())
    };
    let (date, time) = (part(0, 8)?, part(9, 15)?);
    let rfc3339 = format!(
        "{}-{}-{}T{}:{}:{}Z",
        date.get(..4)?,
        date.get(4..6)?,
        date.get(6..)?,
        time.get(..2)?,
        time.get(2..4)?,
        time.get(4..)?
    );
    Timestamp::parse_rfc3339(&rfc3339)
}

fn basic(at: Timestamp) -> String {
    format!("{}Z", at.compact().replace('-', "T"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(date: &str) -> Request {
        let scope = "AWS4-HMAC-SHA256 Credential=AKIA/20260114/cn-north-1/cloudformation/aws4_request, SignedHeaders=host";
        let headers = [("authorization", scope), ("x-amz-date", date)];
        Request {
            headers: headers.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..Request::default()
        }
    }

    #[test]
    fn five_minutes_are_the_limit_on_both_sides() {
        let now = Timestamp::parse_rfc3339("2026-01-14T12:30:00Z").unwrap();
        let code = |date: &str| check(&signed(date), now).err().map(|error| error.message);
        assert_eq!(code("20260114T122500Z"), None);
        assert_eq!(code("20260114T123500Z"), None);
        assert_eq!(
            code("20260114T122459Z").unwrap(),
            "Signature expired: 20260114T122459Z is now earlier than 20260114T122500Z (20260114T123000Z - 5 min.)"
        );
        assert!(
            code("20260114T123501Z")
                .unwrap()
                .starts_with("Signature not yet current: ")
        );
        assert!(code("yesterday").unwrap().starts_with("Date must be"));
        assert!(check(&Request::default(), now).is_err());
    }

    #[test]
    fn the_region_comes_from_the_scope_or_the_host() {
        assert_eq!(region(&signed("")), "cn-north-1");
        let by_host = Request {
            headers: vec![(
                "host".to_owned(),
                "cloudformation.eu-west-1.amazonaws.com".to_owned(),
            )],
            ..Request::default()
        };
        assert_eq!(region(&by_host), "eu-west-1");
        assert_eq!(region(&Request::default()), "us-east-1");
    }
}
