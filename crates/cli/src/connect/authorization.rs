//! One authorization from start to connection: in a browser, with a code on another device, or without anybody.

use std::time::Duration;

use anyhow::bail;
use tokend_api::v1::{
    self, AuthorizationState, ErrorReason, admin_service_client::AdminServiceClient,
};
use tokend_client::Authenticated;

use crate::{connectors::confirm, remote::answer};

/// Shorter than any proxy's patience; asked again until the authorization expires.
const WAIT_SECONDS: i64 = 20;

/// How long to wait before asking again about a code where the server does not say.
const POLL: Duration = Duration::from_secs(5);

/// How it is gone about.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Whether a browser is opened here.
    pub(super) opens_browser: bool,
    /// Whether another account than the connected one is taken without asking.
    pub(super) accepts_account_change: bool,
}

/// Starts, shows the page (in a browser if wished), waits for the consent, and completes. What needs nobody's consent
/// is connected at once.
pub(crate) async fn authorize(
    admin: &mut AdminServiceClient<Authenticated>,
    start: v1::StartAuthorizationRequest,
    opens_browser: bool,
) -> anyhow::Result<v1::Connection> {
    let manner = Manner {
        opens_browser,
        accepts_account_change: false,
    };
    carry_out(admin, start, manner).await
}

pub(super) async fn carry_out(
    admin: &mut AdminServiceClient<Authenticated>,
    start: v1::StartAuthorizationRequest,
    manner: Manner,
) -> anyhow::Result<v1::Connection> {
    let name = start.integration_type.clone();
    let mut started = answer(admin.start_authorization(start).await)?;
    if let Some(connection) = started.connection {
        return Ok(connection);
    }
    match started.device.take() {
        Some(device) => show_code(&name, &device),
        None => {
            show_page(&name, &started.redirect_url, manner.opens_browser);
            wait_for_consent(admin, &started.authorization_id).await?;
        }
    }
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id,
        completion_token: started.completion_token,
        accept_account_change: manner.accepts_account_change,
    };
    complete_until_done(admin, complete).await
}

fn show_page(name: &str, url: &str, opens_browser: bool) {
    eprintln!("Open this page to connect {name}:\n\n  {url}\n");
    if opens_browser && open::that_detached(url).is_err() {
        eprintln!("(No browser could be opened from here.)");
    }
    eprintln!("Waiting for the consent; Ctrl-C gives up.");
}

fn show_code(name: &str, device: &v1::DeviceAuthorization) {
    let (page, code) = (&device.verification_uri, &device.user_code);
    eprintln!(
        "To connect {name}, open this page on any device:\n\n  {page}\n\nand enter the code:\n\n  {code}\n"
    );
    if !device.verification_uri_complete.is_empty() {
        let page = &device.verification_uri_complete;
        eprintln!("Or open the page with the code in it:\n\n  {page}\n");
    }
    eprintln!("Waiting for the consent; Ctrl-C gives up.");
}

async fn wait_for_consent(
    admin: &mut AdminServiceClient<Authenticated>,
    id: &str,
) -> anyhow::Result<()> {
    loop {
        let request = v1::GetAuthorizationRequest {
            authorization_id: id.to_owned(),
            wait_time: Some(prost_types::Duration {
                seconds: WAIT_SECONDS,
                nanos: 0,
            }),
        };
        let present = answer(admin.get_authorization(request).await)?
            .authorization
            .unwrap_or_default();
        match present.state() {
            AuthorizationState::AwaitingCompletion => return Ok(()),
            AuthorizationState::Denied => bail!("the user or the provider denied access"),
            AuthorizationState::Expired => bail!("nobody consented in time; run the command again"),
            AuthorizationState::Failed => {
                bail!("the authorization failed: {}", present.failure_reason)
            }
            _ => {}
        }
    }
}

/// Completes again while a person has yet to consent on another device, and once more where another account is taken.
async fn complete_until_done(
    admin: &mut AdminServiceClient<Authenticated>,
    mut complete: v1::CompleteAuthorizationRequest,
) -> anyhow::Result<v1::Connection> {
    loop {
        let error = match answer(admin.complete_authorization(complete.clone()).await) {
            Ok(completed) => return Ok(completed.connection.unwrap_or_default()),
            Err(error) => error,
        };
        match error.reason {
            Some(ErrorReason::AuthorizationPending) => {
                tokio::time::sleep(error.retry_delay.unwrap_or(POLL)).await;
            }
            Some(ErrorReason::AccountChanged) if confirm::on_terminal() => {
                let question =
                    "That is another account than the connected one. Use it from now on?";
                if !confirm::ask(question, false)? {
                    bail!("the connection keeps its account");
                }
                complete.accept_account_change = true;
            }
            Some(ErrorReason::AccountChanged) => {
                let message =
                    "consent was given with another account than the one connected".to_owned();
                let error = tokend_client::Error { message, ..error };
                let hint =
                    "run the command again with --accept-account-change to take the other account";
                return Err(anyhow::Error::from(error).context(hint));
            }
            _ => return Err(error.into()),
        }
    }
}
