//! The calls for values of the connection config that only the provider's API tells.

use serde_json::Value;
use tokend_catalog::{Capture, CaptureFrom, Definition, Discovery, Only};
use tokend_model::ports::DiscoveryFailure;
use tokend_model::{ConnectionConfig, Secret};

use crate::capture;
use crate::provider::Provider;

/// Makes the calls in their order, each with what the earlier ones found. Says, too, what the answer of the token
/// endpoint should have told and did not: by now it is in the connection config.
pub(crate) async fn discover(
    provider: &Provider<'_>,
    access_token: &Secret,
) -> Result<ConnectionConfig, DiscoveryFailure> {
    let mut known = provider.registration.connection_config.clone();
    let mut found = ConnectionConfig::new();
    for capture in of_token_answer(&provider.definition) {
        if !known.contains_key(&capture.name) {
            keep(&mut found, capture, None)?;
        }
    }
    for discovery in &provider.definition.discoveries {
        known.extend(found.clone());
        let provider = provider.knowing(&known);
        let answer = match provider.call(discovery.call(), access_token).await? {
            Some(answered) => Some(answered.json()?),
            None => None,
        };
        let subject = answer.and_then(|answer| choose(&provider, discovery, answer));
        for capture in &discovery.capture {
            let value = subject
                .as_ref()
                .and_then(|subject| capture::value(capture, subject));
            keep(&mut found, capture, value)?;
        }
    }
    Ok(found)
}

fn of_token_answer(definition: &Definition) -> impl Iterator<Item = &Capture> {
    let from = [CaptureFrom::TokenAnswer, CaptureFrom::IdToken];
    definition
        .captures
        .iter()
        .filter(move |capture| from.contains(&capture.from))
}

fn keep(
    found: &mut ConnectionConfig,
    capture: &Capture,
    value: Option<String>,
) -> Result<(), DiscoveryFailure> {
    match value.or_else(|| capture.default.clone()) {
        Some(value) => {
            found.insert(capture.name.clone(), value);
            Ok(())
        }
        None if capture.required => Err(DiscoveryFailure::Missing {
            name: capture.name.clone(),
            description: capture.description.clone(),
        }),
        None => Ok(()),
    }
}

/// What the answer is about: the whole, or the element of its list that is meant.
fn choose(provider: &Provider<'_>, discovery: &Discovery, answer: Value) -> Option<Value> {
    let Some(list) = &discovery.list else {
        return Some(answer);
    };
    let elements = answer.pointer(list.as_str())?.as_array()?;
    let wanted = discovery.only.as_ref().and_then(|only| {
        let wanted = wanted(provider, only)?.to_lowercase();
        Some((only, wanted))
    });
    let chosen = match wanted {
        None => elements.first(),
        Some((only, wanted)) => elements.iter().find(|element| {
            capture::text(element, &only.pointer)
                .is_some_and(|value| value.to_lowercase() == wanted)
        }),
    };
    chosen.cloned()
}

/// What the chosen element has; none while a value of it is not given.
fn wanted(provider: &Provider<'_>, only: &Only) -> Option<String> {
    let mut text = String::new();
    let mut rest = only.equals.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(provider.value(name).filter(|value| !value.is_empty())?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}
