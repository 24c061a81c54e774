//! ACTIVE of `slack-notifier concurrent`: whatever the caller has about the deployment in the way.

use serde_json::Value;

use crate::deployment::ActiveDeployment;

/// ACTIVE, read as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Active {
    /// What is known of the deployment in the way.
    pub deployment: ActiveDeployment,
    /// The caller's limit of waiting in minutes, when that is what was given.
    pub limit_minutes: Option<u64>,
    /// What could not be read; one sentence.
    pub problem: Option<String>,
}

impl Active {
    /// Reads the JSON of an active deployment, a whole `can_deploy` answer, or a bare number of minutes. Never fails:
    /// what cannot be read is unknown.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let problem = |what: &str| Self {
            problem: Some(format!(
                "ACTIVE {what}: give the JSON of the active deployment, an answer of can_deploy, or minutes; what is not known reads UNKNOWN"
            )),
            ..Self::default()
        };
        if text.is_empty() {
            return problem("is empty");
        }
        if let Ok(minutes) = text.parse::<u64>() {
            return Self {
                limit_minutes: Some(minutes),
                ..Self::default()
            };
        }
        let shown = crate::text::shorten(&crate::text::one_line(text), 60);
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => {
                let inner = match fields.get("active_deployment") {
                    Some(Value::Object(inner)) => inner,
                    Some(_) | None => &fields,
                };
                let deployment = read_fields(inner);
                if fields.get("can_deploy") == Some(&Value::Bool(true)) {
                    return problem("is an answer of can_deploy that nothing is in the way");
                }
                // An empty object is what `get_active` prints when nothing is active: nothing to complain about.
                if deployment == ActiveDeployment::default() && !inner.is_empty() {
                    return problem(&format!("{shown:?} has none of the fields it should have"));
                }
                Self {
                    deployment,
                    limit_minutes: inner.get("limit_minutes").and_then(Value::as_u64),
                    problem: None,
                }
            }
            Ok(_) => problem(&format!("is {shown:?}, no JSON object and no whole number")),
            Err(_) => problem(&format!("is {shown:?}, neither JSON nor a number")),
        }
    }

    /// As the word ACTIVE again.
    #[must_use]
    pub fn word(&self) -> String {
        let mut value = serde_json::to_value(&self.deployment).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|_, field| !field.is_null());
            if let Some(limit) = self.limit_minutes {
                if fields.is_empty() {
                    return limit.to_string();
                }
                fields.insert("limit_minutes".to_owned(), limit.into());
            }
        }
        value.to_string()
    }
}

// Numbers may come as text and the other way round: scripts build this JSON by hand.
fn read_fields(fields: &serde_json::Map<String, Value>) -> ActiveDeployment {
    let text = |name: &str| match fields.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| {
            !text.is_empty() && !matches!(text.to_lowercase().as_str(), "null" | "unknown" | "none")
        }),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let minutes = |name: &str| {
        let number = text(name)?.parse::<f64>().ok()?;
        (0.0..1e9)
            .contains(&number)
            .then_some(number.round() as u64)
    };
    ActiveDeployment {
        correlation_id: text("correlation_id"),
        environment: text("environment"),
        stack_name: text("stack_name"),
        status: text("status"),
        started_at: text("started_at"),
        elapsed_minutes: minutes("elapsed_minutes"),
        estimated_remaining_minutes: minutes("estimated_remaining_minutes"),
        workflow_url: text("workflow_url"),
        source: text("source"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_active() {
        let inner = r#"{"correlation_id":"a","status":"CREATE_IN_PROGRESS","elapsed_minutes":15,"estimated_remaining_minutes":"10"}"#;
        let whole = format!(r#"{{"can_deploy":false,"active_deployment":{inner}}}"#);
        for text in [inner, &whole] {
            let active = Active::read(text);
            assert_eq!(
                active.deployment.status.as_deref(),
                Some("CREATE_IN_PROGRESS")
            );
            assert_eq!(active.deployment.elapsed_minutes, Some(15));
            assert_eq!(active.deployment.estimated_remaining_minutes, Some(10));
            assert_eq!(active.problem, None);
            assert_eq!(Active::read(&active.word()), active);
        }
        let limit = Active::read(" 30 ");
        assert_eq!(
            (limit.limit_minutes, limit.problem.clone()),
            (Some(30), None)
        );
        assert_eq!(limit.word(), "30");
        assert_eq!(Active::read("{}"), Active::default());
    }

    #[test]
    fn garbage_is_unknown_and_told() {
        for text in [
            "",
            "  ",
            "abc",
            "[1]",
            "-5",
            "3.5",
            "\"x\"",
            "{",
            "{\"a\":1}",
            "null",
            r#"{"can_deploy":true,"environment":"production","stack_name":"S"}"#,
        ] {
            let active = Active::read(text);
            assert_eq!(active.deployment, ActiveDeployment::default(), "{text}");
            let problem = active.problem.unwrap();
            assert!(
                problem.starts_with("ACTIVE ") && !problem.contains('\n'),
                "{problem}"
            );
        }
    }
}
