//! The provider classes: each an integration type with a shared connector and an OAuth client of its own, so that one
//! simulator plays all of them.

use std::time::Duration;

use tokend_api::v1;
use tokend_simulator::{Behaviour, Rotation, Simulator};
use tokend_tests::definition;

/// What becomes of a refresh token that is redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// C0: it stays valid.
    StaysValid,
    /// C1: it stays valid for [`WINDOW`].
    Overlap,
    /// C2: it stays valid until its successor is used.
    UntilSuccessorUsed,
    /// C3: it is dead, and redeeming it again ends the grant.
    Strict,
}

/// For how long class C1 lets a refresh token be redeemed again.
pub(crate) const WINDOW: Duration = Duration::from_secs(30);

impl Class {
    pub(crate) const ALL: [Self; 4] = [
        Self::StaysValid,
        Self::Overlap,
        Self::UntilSuccessorUsed,
        Self::Strict,
    ];

    /// Its name in the field.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StaysValid => "C0",
            Self::Overlap => "C1",
            Self::UntilSuccessorUsed => "C2",
            Self::Strict => "C3",
        }
    }

    /// Its integration type, which is also its connector.
    pub(crate) fn integration_type(self) -> &'static str {
        match self {
            Self::StaysValid => "staysvalid",
            Self::Overlap => "overlap",
            Self::UntilSuccessorUsed => "untilsuccessorused",
            Self::Strict => "strict",
        }
    }

    /// Its client at the simulator.
    pub(crate) fn client_id(self) -> String {
        format!("client-of-{}", self.integration_type())
    }

    /// Changes how the simulator behaves as this provider.
    pub(crate) fn change(self, simulator: &Simulator, change: impl FnOnce(&mut Behaviour)) {
        simulator.change_client(&self.client_id(), change);
    }

    fn rotation(self) -> Rotation {
        match self {
            Self::StaysValid => Rotation::Additive,
            Self::Overlap => Rotation::Overlap { window: WINDOW },
            Self::UntilSuccessorUsed => Rotation::UntilUsed {
                grace: Duration::ZERO,
            },
            Self::Strict => Rotation::Strict,
        }
    }

    fn toml(self, simulator: &Simulator) -> String {
        let rotation = match self {
            Self::StaysValid => "\"stays_valid\"".to_owned(),
            Self::Overlap => format!("\"overlap\"\noverlap_seconds = {}", WINDOW.as_secs()),
            Self::UntilSuccessorUsed => "\"until_successor_used\"".to_owned(),
            Self::Strict => "\"strict\"".to_owned(),
        };
        let strict = definition(simulator.base_url());
        assert!(strict.contains("rotation = \"strict\""));
        strict.replace("rotation = \"strict\"", &format!("rotation = {rotation}"))
    }
}

/// Makes the simulator play all classes, and answers what makes tokend know them.
pub(crate) fn register(simulator: &Simulator) -> v1::ApplyConnectorsRequest {
    let mut request = v1::ApplyConnectorsRequest::default();
    for class in Class::ALL {
        let client = tokend_simulator::Client::new(class.client_id());
        simulator.register(client.clone());
        class.change(simulator, |behaviour| behaviour.rotation = class.rotation());
        request.connectors.push(v1::Connector {
            connector_id: class.integration_type().to_owned(),
            integration_type: class.integration_type().to_owned(),
            kind: v1::ConnectorKind::Shared.into(),
            client_id: client.id,
            client_secret: client.secret,
            scopes: vec!["events.read".to_owned()],
            ..Default::default()
        });
        request
            .integration_types
            .push(v1::IntegrationTypeDefinition {
                integration_type: class.integration_type().to_owned(),
                toml: class.toml(simulator),
            });
    }
    request
}
