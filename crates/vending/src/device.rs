//! Devices without a browser: a person consents elsewhere, and the provider is asked until they have (RFC 8628).

use std::time::Duration;

use chrono::TimeDelta;
use tokend_model::{
    Authorization, AuthorizationState, Connector, PendingDevice, Timestamp, TokenAnswer,
    TokenFailure, TokenFailureKind,
    ports::{DeviceAnswer, Registration},
};

use crate::{Error, StartedAuthorization, Vending, error::log_token_failure, one_time};

/// What a provider that says `slow_down` adds to the interval (RFC 8628 section 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

/// The longest time between two questions, however often the provider did not answer.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

impl Vending {
    /// Gets the codes from the provider. The attempt awaits completion from the start, and lives no longer than they do.
    pub(crate) async fn start_device(
        &self,
        connector: &Connector,
        mut authorization: Authorization,
    ) -> Result<StartedAuthorization, Error> {
        self.may_call_providers()?;
        let ports = &self.shared.ports;
        let registration = Registration {
            connector,
            connection_config: &authorization.connection_config,
            token: "",
        };
        let device = ports
            .authorization_server
            .request_device_code(registration, &authorization.scopes)
            .await
            .map_err(|failure| {
                log_token_failure("device_authorization", connector.id.as_str(), &failure);
                self.call_failed(connector, &failure)
            })?;
        let now = ports.clock.now();
        let life = device
            .time_to_live
            .min(self.shared.options.authorization_time_to_live);
        authorization.state = AuthorizationState::AwaitingCompletion;
        authorization.create_time = now;
        authorization.expire_time = now + life;
        let pending = PendingDevice {
            device_code: device.device_code.clone(),
            poll_interval: device.poll_interval,
            poll_time: now + device.poll_interval,
        };
        let (completion_token, completion_hash) = one_time::generate()?;
        ports
            .authorizations
            .insert_device(&authorization, &completion_hash, &pending)
            .await?;
        Ok(StartedAuthorization::Device {
            authorization: Box::new(authorization),
            completion_token,
            device: Box::new(device),
        })
    }

    /// Asks the provider once, unless it is too soon. An error that the person may still consent after leaves the
    /// attempt open for the next question.
    pub(crate) async fn ask_about_device(
        &self,
        authorization: &Authorization,
        connector: &Connector,
        pending: PendingDevice,
    ) -> Result<TokenAnswer, Error> {
        let ports = &self.shared.ports;
        let early = (pending.poll_time - ports.clock.now()).to_std();
        if let Ok(retry_after) = early
            && !retry_after.is_zero()
        {
            self.ask_later(authorization, &pending).await?;
            return Err(Error::ConsentPending { retry_after });
        }
        let registration = Registration {
            connector,
            connection_config: &authorization.connection_config,
            token: "",
        };
        let answered = ports
            .authorization_server
            .redeem_device_code(registration, &pending.device_code)
            .await;
        match answered {
            Ok(DeviceAnswer::Granted(answer)) => Ok(*answer),
            Ok(DeviceAnswer::Pending { slow_down }) => {
                let slower = if slow_down { SLOWER_BY } else { Duration::ZERO };
                let retry_after = pending.poll_interval + slower;
                let next = self.after(pending, retry_after, retry_after);
                self.ask_later(authorization, &next).await?;
                Err(Error::ConsentPending { retry_after })
            }
            Ok(DeviceAnswer::Denied) => {
                let error = Error::AuthorizationDenied;
                let denied = AuthorizationState::Denied;
                self.end(authorization, denied, error.reason()).await?;
                Err(error)
            }
            Ok(DeviceAnswer::Expired) => {
                let error = Error::AuthorizationExpired;
                let failed = AuthorizationState::Failed;
                self.end(authorization, failed, error.reason()).await?;
                Err(error)
            }
            Err(failure) => {
                let id = authorization.id.as_str();
                log_token_failure("redeem_device_code", id, &failure);
                self.device_not_answered(authorization, connector, pending, &failure)
                    .await
            }
        }
    }

    /// A provider that does not answer is asked again, less often (RFC 8628 section 3.5); one that refuses is not.
    async fn device_not_answered(
        &self,
        authorization: &Authorization,
        connector: &Connector,
        pending: PendingDevice,
        failure: &TokenFailure,
    ) -> Result<TokenAnswer, Error> {
        let interval = match failure.kind {
            TokenFailureKind::NotSent | TokenFailureKind::RateLimited => pending.poll_interval,
            TokenFailureKind::Ambiguous => (pending.poll_interval * 2)
                .min(LONGEST_INTERVAL)
                .max(pending.poll_interval),
            kind => {
                let error = match kind {
                    TokenFailureKind::ClientRejected => self.call_failed(connector, failure),
                    _ => Error::AuthorizationFailed {
                        why: "the provider gave no token for the device code".to_owned(),
                    },
                };
                let failed = AuthorizationState::Failed;
                self.end(authorization, failed, error.reason()).await?;
                return Err(error);
            }
        };
        // To be left alone for longer than any attempt lives is to be left alone.
        let told = failure.retry_after.unwrap_or_default();
        let longest = self.shared.options.authorization_time_to_live;
        let retry_after = interval.max(told.min(longest));
        let next = self.after(pending, interval, retry_after);
        self.ask_later(authorization, &next).await?;
        let connector = connector.id.as_str();
        Err(Error::from_token_failure(
            failure.kind,
            connector,
            retry_after,
        ))
    }

    fn after(
        &self,
        pending: PendingDevice,
        poll_interval: Duration,
        pause: Duration,
    ) -> PendingDevice {
        let pause = TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        let next = self.shared.ports.clock.now().checked_add_signed(pause);
        PendingDevice {
            poll_interval,
            poll_time: next.unwrap_or(Timestamp::MAX_UTC),
            ..pending
        }
    }

    async fn ask_later(
        &self,
        authorization: &Authorization,
        next: &PendingDevice,
    ) -> Result<(), Error> {
        let authorizations = &self.shared.ports.authorizations;
        Ok(authorizations
            .put_off(&authorization.workspace, &authorization.id, next)
            .await?)
    }
}
