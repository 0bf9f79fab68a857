//! `tokend audit list`.

use clap::{Args as ClapArgs, ValueEnum};
use tokend_api::v1;

use crate::{
    output,
    remote::{Remote, answer},
};

const DETAILS: &str = "DETAILS";
const USER: &str = "USER";
const REASON: &str = "REASON";
const CREDENTIAL: &str = "CREDENTIAL";

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// Only these, such as VEND or CONNECTOR_CREATE; may be repeated.
    #[arg(long = "action", value_name = "ACTION", value_parser = action)]
    actions: Vec<v1::AuditAction>,
    /// Only what ended so.
    #[arg(long, value_enum)]
    outcome: Option<Outcome>,
    /// Only by this caller.
    #[arg(long)]
    caller: Option<String>,
    /// Only for this app user.
    #[arg(long)]
    user: Option<String>,
    /// Only on this connector.
    #[arg(long)]
    connector: Option<String>,
    /// Only on this connection.
    #[arg(long)]
    connection: Option<String>,
    /// Only of this integration type.
    #[arg(long = "type")]
    integration_type: Option<String>,
    /// Only from this time on, such as 2026-11-21T22:00:00Z.
    #[arg(long, value_parser = time)]
    since: Option<prost_types::Timestamp>,
    /// Only before this time.
    #[arg(long, value_parser = time)]
    until: Option<prost_types::Timestamp>,
    /// The oldest first; otherwise the newest are.
    #[arg(long)]
    oldest_first: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Outcome {
    Succeeded,
    Denied,
    Failed,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let mut all = v1::ListAuditEventsResponse::default();
    loop {
        let missing = args.limit - all.events.len();
        let request = v1::ListAuditEventsRequest {
            page_size: i32::try_from(missing.clamp(1, 1000)).unwrap_or(1000),
            page_token: all.next_page_token.clone(),
            ..request(&args)
        };
        let page = answer(admin.list_audit_events(request).await)?;
        all.events.extend(page.events.into_iter().take(missing));
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() || all.events.len() >= args.limit {
            break;
        }
    }
    if args.remote.json {
        output::line(&output::json("ListAuditEventsResponse", &all)?)?;
        return Ok(());
    }
    let header = [
        "SEQUENCE", "TIME", "ACTION", "OUTCOME", REASON, "CALLER", CREDENTIAL, USER, "WHAT",
        DETAILS,
    ];
    let more = !all.next_page_token.is_empty();
    let rows = all.events.into_iter().map(row);
    output::table_without_empty(header, rows, &[REASON, CREDENTIAL, USER, DETAILS])?;
    if more {
        eprintln!("There are more; --limit shows more of them.");
    }
    Ok(())
}

fn request(args: &Args) -> v1::ListAuditEventsRequest {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let outcome = args.outcome.map(|outcome| match outcome {
        Outcome::Succeeded => v1::AuditOutcome::Succeeded,
        Outcome::Denied => v1::AuditOutcome::Denied,
        Outcome::Failed => v1::AuditOutcome::Failed,
    });
    v1::ListAuditEventsRequest {
        start_time: args.since,
        end_time: args.until,
        actions: args.actions.iter().map(|action| (*action).into()).collect(),
        outcome: outcome.unwrap_or_default().into(),
        caller: text(&args.caller),
        app_user_id: text(&args.user),
        connector_id: text(&args.connector),
        connection_id: text(&args.connection),
        integration_type: text(&args.integration_type),
        oldest_first: args.oldest_first,
        ..Default::default()
    }
}

fn row(event: v1::AuditEvent) -> [String; 10] {
    let action = event.action().as_str_name();
    let outcome = event.outcome().as_str_name();
    let mut details: Vec<_> = event.details.iter().collect();
    details.sort();
    let details = details
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let details: Vec<_> = details.collect();
    let named = [
        &event.integration_type,
        &event.connector_id,
        &event.connection_id,
        &event.authorization_id,
    ];
    let mut what: Vec<&str> = named
        .into_iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    what.dedup();
    [
        event.sequence.to_string(),
        event
            .event_time
            .map(|time| time.to_string())
            .unwrap_or_default(),
        action.replace("AUDIT_ACTION_", ""),
        outcome.replace("AUDIT_OUTCOME_", ""),
        printable(&event.reason),
        printable(&event.caller),
        printable(&event.credential_id),
        printable(&event.app_user_id),
        printable(&what.join(" ")),
        printable(&details.join(" ")),
    ]
}

/// What callers have sent does not steer a terminal.
fn printable(text: &str) -> String {
    let letters = text.chars().flat_map(|letter| {
        let escaped = letter.is_control().then(|| letter.escape_default());
        let plain = escaped.is_none().then_some(letter);
        escaped.into_iter().flatten().chain(plain)
    });
    letters.collect()
}

fn action(text: &str) -> Result<v1::AuditAction, String> {
    let name = text.to_uppercase().replace('-', "_");
    v1::AuditAction::from_str_name(&format!("AUDIT_ACTION_{name}"))
        .filter(|action| *action != v1::AuditAction::Unspecified)
        .ok_or_else(|| "no such action; VEND, CONNECTOR_CREATE and the like are".to_owned())
}

fn time(text: &str) -> Result<prost_types::Timestamp, String> {
    text.parse()
        .map_err(|_| "must be a time such as 2026-11-21T22:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_sent_does_not_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb é"), "a\\u{1b}[2J\\nb é");
    }

    #[test]
    fn actions_and_times_are_read() {
        assert_eq!(action("vend"), Ok(v1::AuditAction::Vend));
        assert_eq!(
            action("connector-create"),
            Ok(v1::AuditAction::ConnectorCreate)
        );
        assert!(action("unspecified").is_err() && action("x").is_err());
        assert!(time("2026-11-21T22:00:00Z").is_ok() && time("yesterday").is_err());
    }
}
