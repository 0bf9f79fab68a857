//! Operations that change what is connected. One at a time for each connection, while everybody goes on asking.

use tokend_api::v1;
use tokend_simulator::Browser;
use tokend_tests::{for_user, reason};
use tonic::Status;

use crate::{
    model::{Connected, Stop},
    observation::UserToken,
    places::{CONNECTORS, OPERATOR, Slot, TYPES, USERS, WORKSPACES, caller_name},
    worker::Worker,
};

/// How many gets a worker makes while something is stopped or gone.
const MEANWHILE: usize = 10;

impl Worker {
    /// Connects, connects again, disconnects or revokes, as may be done there now; if others are at it already, asks.
    pub(crate) async fn change(&mut self, slot: Slot) {
        let world = self.world.clone();
        let (Ok(_order), Ok(mut browser)) = (
            world.workspaces[slot.workspace].try_read(),
            world.slots[&slot].try_lock(),
        ) else {
            return self.get_of(slot).await;
        };
        if browser.is_none() {
            *browser = Some(world.browser(slot).await);
        }
        let Some(browser) = &*browser else { return };
        let connected = world.model.truth(|truth| truth.connected(slot));
        let result = match (connected, self.rng.u32(0..10)) {
            (None, 0) => self.disconnect(slot, None).await,
            (None, _) => self.connect(slot, browser, false).await,
            (Some(_), 0..6) => self.connect(slot, browser, true).await,
            (Some(connected), 6..8) => self.disconnect(slot, Some(connected)).await,
            (Some(connected), _) => self.revoke(slot, connected).await,
        };
        if let Err(status) = result {
            world.fault(format!("a change of {slot}: {status:?}"));
        }
    }

    /// Deletes a connector with all under it, and creates another with its id.
    pub(crate) async fn replace_connector(&mut self) {
        let world = self.world.clone();
        let workspace = self.rng.usize(0..WORKSPACES.len());
        let connector = CONNECTORS[self.rng.usize(0..CONNECTORS.len())];
        let Ok(_order) = world.workspaces[workspace].try_write() else {
            return;
        };
        let begun = world.model.moment();
        let delete = v1::DeleteConnectorRequest {
            connector_id: connector.id().to_owned(),
            force: true,
            ..Default::default()
        };
        let mut admin = world.operator(workspace).admin();
        if let Err(status) = admin.delete_connector(delete).await {
            return world.fault(format!("deleting {connector:?}: {status:?}"));
        }
        let change = (begun, world.model.moment());
        world
            .model
            .truth(|truth| truth.set_connector(workspace, connector, change, None));
        let slots: Vec<_> = connector.slots(workspace).collect();
        for _ in 0..MEANWHILE {
            let slot = slots[self.rng.usize(0..slots.len())];
            self.get_of(slot).await;
        }
        world.set_up(workspace, connector).await;
    }

    /// Erases a user in one workspace; who is called so elsewhere stays.
    pub(crate) async fn erase_user(&mut self) {
        let world = self.world.clone();
        let workspace = self.rng.usize(0..WORKSPACES.len());
        let user = self.rng.usize(0..USERS.len());
        let Ok(_order) = world.workspaces[workspace].try_write() else {
            return;
        };
        let begun = world.model.moment();
        let erase = v1::EraseUserRequest {
            app_user_id: USERS[user].to_owned(),
            ..Default::default()
        };
        if let Err(status) = world.operator(workspace).admin().erase_user(erase).await {
            return world.fault(format!("erasing {}: {status:?}", USERS[user]));
        }
        let change = (begun, world.model.moment());
        world.model.truth(|truth| {
            let theirs = |slot: &Slot| slot.workspace == workspace && slot.user == Some(user);
            for slot in Slot::all().filter(theirs) {
                truth.end(slot, change);
            }
        });
    }

    /// Stops a caller, an integration type or a workspace for a while.
    pub(crate) async fn suspend(&mut self) {
        let world = self.world.clone();
        let workspace = self.rng.usize(0..WORKSPACES.len());
        let Ok(_order) = world.workspaces[workspace].try_write() else {
            return;
        };
        let (stop, kind, subject) = match self.rng.u32(0..3) {
            0 => {
                let caller = self.rng.usize(0..OPERATOR);
                let kind = v1::SuspensionKind::Caller;
                (Stop::Caller(caller), kind, caller_name(workspace, caller))
            }
            1 => {
                let named = self.rng.usize(0..TYPES.len());
                let kind = v1::SuspensionKind::IntegrationType;
                (Stop::Type(named), kind, TYPES[named].to_owned())
            }
            _ => (
                Stop::Workspace,
                v1::SuspensionKind::Workspace,
                String::new(),
            ),
        };
        let mut admin = world.operator(workspace).admin();
        for stopped in [true, false] {
            let begun = world.model.moment();
            let subject = subject.clone();
            let answer = if stopped {
                let request = v1::SuspendRequest {
                    kind: kind.into(),
                    subject,
                    comment: String::new(),
                };
                admin.suspend(request).await.map(|_| ())
            } else {
                let kind = kind.into();
                let request = v1::ResumeRequest { kind, subject };
                admin.resume(request).await.map(|_| ())
            };
            if let Err(status) = answer {
                return world.fault(format!("stopping {stop:?}: {status:?}"));
            }
            let change = (begun, world.model.moment());
            world
                .model
                .truth(|truth| truth.set_stop(workspace, stop, change, stopped));
            for _ in 0..MEANWHILE {
                let slot = self.slot_of(workspace);
                self.get_of(slot).await;
            }
        }
    }

    /// An operator, or somebody who is none, reaches for a connection of another workspace by its id.
    pub(crate) async fn meddle(&mut self) {
        let world = self.world.clone();
        let slot = self.any_slot();
        let Some(connected) = world.model.truth(|truth| truth.connected(slot)) else {
            return self.get_of(slot).await;
        };
        let other = (slot.workspace + self.rng.usize(1..WORKSPACES.len())) % WORKSPACES.len();
        let outsider = self.rng.bool();
        let (client, due) = match outsider {
            true => (world.operator(other), "CONNECTION_NOT_FOUND"),
            false => {
                let caller = Some((slot.workspace, self.rng.usize(0..OPERATOR)));
                (world.client(caller, slot.workspace), "CALLER_NOT_ALLOWED")
            }
        };
        let (mut admin, connection_id) = (client.admin(), connected.connection_id);
        let answer = match self.rng.u32(0..4) {
            0 => {
                let request = v1::DescribeConnectionRequest { connection_id };
                admin.describe_connection(request).await.map(|_| ())
            }
            1 => {
                let request = v1::RefreshConnectionRequest {
                    connection_id,
                    ..Default::default()
                };
                admin.refresh_connection(request).await.map(|_| ())
            }
            2 => {
                let request = v1::RevokeConnectionRequest {
                    connection_id,
                    ..Default::default()
                };
                admin.revoke_connection(request).await.map(|_| ())
            }
            _ => {
                let request = v1::DeleteConnectionRequest {
                    connection_id,
                    ..Default::default()
                };
                admin.delete_connection(request).await.map(|_| ())
            }
        };
        let stopped = !outsider;
        self.refused("meddling", answer, due, stopped);
    }

    /// Whoever has no right gets nowhere. A caller that is stopped just then hears that first.
    fn refused(&self, what: &str, answer: Result<(), Status>, due: &str, may_be_stopped: bool) {
        let told = match &answer {
            Ok(()) => "nothing".to_owned(),
            Err(status) => reason(status),
        };
        if told != due && !(may_be_stopped && told == "SUSPENDED") {
            self.world
                .fault(format!("{what} was refused with {told}, not {due}"));
        }
    }

    /// From start to completion: by the app user, or by the operator for them or for the organisation.
    async fn connect(
        &mut self,
        slot: Slot,
        browser: &Browser,
        reconnect: bool,
    ) -> Result<(), Status> {
        let world = self.world.clone();
        let begun = world.model.moment();
        let connection = match slot.user {
            Some(user) if self.rng.bool() || reconnect => {
                self.connect_as_user(slot, user, browser, reconnect).await?
            }
            user => self.connect_as_operator(slot, user, browser).await?,
        };
        let done = world.model.moment();
        let connection_id = connection.map(|it| it.connection_id).unwrap_or_default();
        match world.provider.ledger().grants_of(&slot.to_string()).last() {
            Some(grant) => {
                let connected = Connected {
                    grant: grant.family,
                    connection_id,
                };
                world
                    .model
                    .truth(|truth| truth.connect(slot, (begun, done), connected));
            }
            None => world.fault(format!("{slot} was connected without a grant")),
        }
        Ok(())
    }

    async fn connect_as_user(
        &mut self,
        slot: Slot,
        user: usize,
        browser: &Browser,
        reconnect: bool,
    ) -> Result<Option<v1::Connection>, Status> {
        let world = self.world.clone();
        let caller = Some(self.spokesman(slot.workspace));
        let mut connectors = world.client(caller, slot.workspace).connectors();
        let token = world.user_token(UserToken::Of(slot.workspace, user));
        let connect = v1::ConnectAppUserRequest {
            connector_id: slot.connector.id().to_owned(),
            return_url: Some(world.provider.app_return_url()),
            label: slot.label(),
            reconnect,
            ..Default::default()
        };
        let started = connectors
            .connect_app_user(for_user(connect, token))
            .await?;
        let started = started.into_inner();
        let page = browser.open(&started.redirect_url).await;
        let returned = page.ok().and_then(|page| page.query("completion_token"));
        let complete = v1::CompleteAppUserConnectionRequest {
            authorization_id: started.authorization_id,
            completion_token: returned.unwrap_or_default(),
            ..Default::default()
        };
        if self.rng.u32(0..3) == 0 {
            self.complete_as_another(slot, user, complete.clone()).await;
        }
        let completed = connectors.complete_app_user_connection(for_user(complete, token));
        Ok(completed.await?.into_inner().connection)
    }

    /// Somebody else has got hold of what came on the return URL.
    async fn complete_as_another(
        &mut self,
        slot: Slot,
        user: usize,
        mut complete: v1::CompleteAppUserConnectionRequest,
    ) {
        let world = self.world.clone();
        let other = (slot.workspace + self.rng.usize(1..WORKSPACES.len())) % WORKSPACES.len();
        let (workspace, user, due) = match self.rng.u32(0..3) {
            0 => {
                let user = (user + self.rng.usize(1..USERS.len())) % USERS.len();
                (slot.workspace, user, "COMPLETION_MISMATCH")
            }
            1 => (other, user, "AUTHORIZATION_NOT_FOUND"),
            _ => {
                complete.completion_token = "A".repeat(43);
                (slot.workspace, user, "COMPLETION_MISMATCH")
            }
        };
        let caller = Some(self.spokesman(workspace));
        let mut connectors = world.client(caller, workspace).connectors();
        let token = world.user_token(UserToken::Of(workspace, user));
        let answer = connectors
            .complete_app_user_connection(for_user(complete, token))
            .await;
        let stopped = workspace != slot.workspace;
        self.refused("completing", answer.map(|_| ()), due, stopped);
    }

    async fn connect_as_operator(
        &mut self,
        slot: Slot,
        user: Option<usize>,
        browser: &Browser,
    ) -> Result<Option<v1::Connection>, Status> {
        let world = self.world.clone();
        let mut admin = world.operator(slot.workspace).admin();
        let mut start = v1::StartAuthorizationRequest {
            label: slot.label(),
            ..Default::default()
        };
        match user {
            Some(user) => {
                start.connector_id = slot.connector.id().to_owned();
                start.app_user_id = USERS[user].to_owned();
            }
            None => start.integration_type = TYPES[slot.connector.integration_type()].to_owned(),
        }
        let started = admin.start_authorization(start).await?.into_inner();
        if let Err(error) = browser.open(&started.redirect_url).await {
            return Err(Status::internal(error.to_string()));
        }
        let complete = v1::CompleteAuthorizationRequest {
            authorization_id: started.authorization_id,
            completion_token: started.completion_token,
            ..Default::default()
        };
        Ok(admin
            .complete_authorization(complete)
            .await?
            .into_inner()
            .connection)
    }

    /// By the app user, or by the operator; what is not connected is disconnected without harm.
    async fn disconnect(&mut self, slot: Slot, connected: Option<Connected>) -> Result<(), Status> {
        let world = self.world.clone();
        let begun = world.model.moment();
        match (slot.user, connected) {
            (Some(user), _) => {
                let caller = Some(self.spokesman(slot.workspace));
                let mut connectors = world.client(caller, slot.workspace).connectors();
                let token = world.user_token(UserToken::Of(slot.workspace, user));
                let request = v1::DisconnectAppUserRequest {
                    connector_id: slot.connector.id().to_owned(),
                    label: slot.label(),
                };
                connectors
                    .disconnect_app_user(for_user(request, token))
                    .await?;
            }
            (None, Some(connected)) => {
                let delete = v1::DeleteConnectionRequest {
                    connection_id: connected.connection_id,
                    ..Default::default()
                };
                let mut admin = world.operator(slot.workspace).admin();
                admin.delete_connection(delete).await?;
            }
            (None, None) => return Ok(()),
        }
        let change = (begun, world.model.moment());
        world.model.truth(|truth| truth.end(slot, change));
        Ok(())
    }

    async fn revoke(&mut self, slot: Slot, connected: Connected) -> Result<(), Status> {
        let world = self.world.clone();
        let begun = world.model.moment();
        let revoke = v1::RevokeConnectionRequest {
            connection_id: connected.connection_id,
            ..Default::default()
        };
        let mut admin = world.operator(slot.workspace).admin();
        admin.revoke_connection(revoke).await?;
        let change = (begun, world.model.moment());
        world.model.truth(|truth| truth.end(slot, change));
        Ok(())
    }
}
