//! Asks the provider whose account a token is for.

use serde_json::Value;
use tokend_catalog::{CaptureFrom, NamePart, Pointer};
use tokend_model::ports::Identified;
use tokend_model::{Account, Secret, TokenFailure, TokenFailureKind};

use crate::capture;
use crate::failure::failure;
use crate::provider::Provider;

/// The longest id, address or name that is kept, in bytes.
const MAX_TEXT: usize = 512;

/// The account as far as the provider tells; empty where the definition has no such call.
pub(crate) async fn identify(
    provider: &Provider<'_>,
    access_token: &Secret,
) -> Result<Identified, TokenFailure> {
    let Some(identity) = &provider.definition.identity else {
        return Ok(Identified::default());
    };
    let Some(answered) = provider.call(identity.call(), access_token).await? else {
        return Ok(Identified::default());
    };
    let answer = answered.json()?;
    let definition = &provider.definition;
    let mut learned = capture::told(definition, CaptureFrom::Identity, &answer);
    for capture in &definition.captures {
        if capture.from != CaptureFrom::Identity || learned.contains_key(&capture.name) {
            continue;
        }
        match &capture.default {
            Some(default) => {
                learned.insert(capture.name.clone(), default.clone());
            }
            None if capture.required => {
                let detail = format!("the account's answer does not tell {}", capture.name);
                return Err(failure(TokenFailureKind::Garbage, detail));
            }
            None => {}
        }
    }
    Ok(Identified {
        account: Account {
            id: first(&answer, &identity.id),
            email: first(&answer, &identity.email),
            name: identity.name.iter().find_map(|part| name(&answer, part)),
        },
        learned,
    })
}

fn first(answer: &Value, pointers: &[Pointer]) -> Option<String> {
    pointers.iter().find_map(|pointer| usable(answer, pointer))
}

fn name(answer: &Value, part: &NamePart) -> Option<String> {
    let joined = match part {
        NamePart::One(pointer) => return usable(answer, pointer),
        NamePart::Joined(pointers) => pointers
            .iter()
            .filter_map(|pointer| usable(answer, pointer))
            .collect::<Vec<_>>()
            .join(" "),
    };
    (!joined.is_empty() && joined.len() <= MAX_TEXT).then_some(joined)
}

fn usable(answer: &Value, pointer: &Pointer) -> Option<String> {
    let text = capture::text(answer, pointer)?.trim().to_owned();
    let usable = !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    usable.then_some(text)
}
