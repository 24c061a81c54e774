//! What a person does about each setting that Slack refuses: one sentence.

/// The fix for a configuration error. `webhook`: messages go through a webhook, not through a bot.
pub(crate) fn fix(code: &str, channel: &str, needed: Option<&str>, webhook: bool) -> String {
    if webhook {
        return webhook_fix(code);
    }
    match code {
        "invalid_auth" => {
            "the token is wrong, or the app only allows other IP addresses: copy the Bot User OAuth Token (xoxb-…) of the app into SLACK_BOT_TOKEN"
                .to_owned()
        }
        "not_authed" => "no token reached Slack: set SLACK_BOT_TOKEN to the app's Bot User OAuth Token (xoxb-…)".to_owned(),
        "account_inactive" | "token_revoked" | "token_expired" => {
            "the token no longer works: install the app to the workspace again and put its new Bot User OAuth Token into SLACK_BOT_TOKEN"
                .to_owned()
        }
        "not_allowed_token_type" | "is_bot" | "as_user_not_supported" => {
            "this is another kind of token: SLACK_BOT_TOKEN takes the Bot User OAuth Token, which begins with xoxb-".to_owned()
        }
        "missing_scope" => {
            let scope = needed.unwrap_or("chat:write");
            format!("add the bot token scope {scope} to the app (OAuth & Permissions) and install it to the workspace again")
        }
        "channel_not_found" => format!(
            "{channel} is a wrong id, or a channel of another workspace, or a private one: check the id, and if the channel is private invite the bot there with /invite"
        ),
        "not_in_channel" => {
            format!("invite the bot to {channel} with /invite, or give the app the scope chat:write.public (public channels only)")
        }
        "is_archived" => format!("{channel} is archived: unarchive it, or give another channel in SLACK_CHANNEL_UPDATES"),
        "restricted_action" | "restricted_action_read_only_channel" | "messages_tab_disabled" => {
            format!("the app may not post in {channel}: a workspace admin can change who may post there")
        }
        "restricted_action_thread_only_channel" => format!("{channel} only takes replies in threads: give another channel"),
        "two_factor_setup_required" => "the workspace wants two-factor authentication set up for the app's owner".to_owned(),
        "unknown_method" | "deprecated_endpoint" | "method_deprecated" => {
            "check SLACK_API_URL (https://slack.com/api/); if it is right, this program is too old for Slack".to_owned()
        }
        _ if code.starts_with("HTTP 3") => {
            "something before Slack redirects: check SLACK_API_URL (https://slack.com/api/) and the proxy".to_owned()
        }
        _ if code.starts_with("HTTP 407") => "the proxy wants a name and a password: put them into HTTPS_PROXY".to_owned(),
        _ if code.starts_with("HTTP ") => {
            "something before Slack refuses: check SLACK_API_URL (https://slack.com/api/), the proxy and the firewall".to_owned()
        }
        _ if code.starts_with("slack_connect_") => format!("the other organization in {channel} does not allow this: give another channel"),
        _ => "a workspace admin must allow the app to post (app approval, IP allow list, Enterprise Grid policies)".to_owned(),
    }
}

fn webhook_fix(code: &str) -> String {
    match code {
        "channel_is_archived" => "the webhook's channel is archived: unarchive it, or make a webhook for another channel",
        "channel_not_found" => "the webhook's channel is gone: make a webhook for another channel and put it into SLACK_WEBHOOK_URL",
        "posting_to_general_channel_denied" | "action_prohibited" => {
            "a workspace admin does not allow this app to post there: ask, or make a webhook for another channel"
        }
        "team_disabled" | "no_team" => "the webhook's workspace is gone or disabled: make a webhook in another",
        _ if code.starts_with("HTTP 3") => "the URL is not a webhook, it redirects: check SLACK_WEBHOOK_URL (https://hooks.slack.com/services/…)",
        _ if code.starts_with("HTTP 407") => "the proxy wants a name and a password: put them into HTTPS_PROXY",
        _ if code.starts_with("HTTP ") => "check SLACK_WEBHOOK_URL (https://hooks.slack.com/services/…), the proxy and the firewall",
        _ => "the webhook no longer works: make a new one in the app's settings (Incoming Webhooks) and put it into SLACK_WEBHOOK_URL",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_names_what_to_change() {
        for (code, needed, webhook, words) in [
            (
                "missing_scope",
                Some("chat:write"),
                false,
                "scope chat:write",
            ),
            ("not_in_channel", None, false, "invite the bot to C1"),
            (
                "channel_not_found",
                None,
                false,
                "another workspace, or a private one",
            ),
            ("invalid_auth", None, false, "SLACK_BOT_TOKEN"),
            ("not_allowed_token_type", None, false, "xoxb-"),
            ("HTTP 302", None, true, "not a webhook"),
            ("no_service", None, true, "SLACK_WEBHOOK_URL"),
            ("HTTP 302", None, false, "SLACK_API_URL"),
        ] {
            let fix = fix(code, "C1", needed, webhook);
            assert!(fix.contains(words), "{code}: {fix}");
        }
    }
}
