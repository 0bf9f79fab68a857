//! The running provider: start, switches, shutdown.

use std::{collections::BTreeMap, fmt, io, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::DropGuard;

use crate::{
    app_identity::TokenDraft,
    behaviour::{Account, Behaviour},
    connection::{Connection, CuttableListener},
    event::RevocationCause,
    ledger::Ledger,
    options::{Client, SimulatorOptions},
    oracle::Grant,
    provider::Provider,
    routes,
    script::Faults,
    sign_in,
};

/// A provider that runs until it is shut down or dropped. Several can run at once.
pub struct Simulator {
    provider: Arc<Provider>,
    serving: JoinHandle<()>,
    closing: DropGuard,
}

impl Simulator {
    /// Binds the listener and begins to serve on the current tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(options: SimulatorOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let provider = Arc::new(Provider::new(base_url, options));

        let app = routes::router(Arc::clone(&provider))
            .into_make_service_with_connect_info::<Connection>();
        let closing = provider.closing.clone();
        let served = axum::serve(CuttableListener(listener), app)
            .with_graceful_shutdown(closing.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the simulator stopped serving");
            }
        });
        Ok(Self {
            provider,
            serving,
            closing: closing.drop_guard(),
        })
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// `http://127.0.0.1:<port>`, without a trailing slash; also the provider's issuer.
    pub fn base_url(&self) -> &str {
        &self.provider.base_url
    }

    /// The ledger.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Arc::clone(&self.provider))
    }

    /// The script of faults for everybody.
    pub fn faults(&self) -> Faults {
        self.provider.conduct.faults()
    }

    /// The script of faults of one client; for its requests it comes before the one for everybody.
    pub fn faults_of(&self, client_id: &str) -> Faults {
        self.provider.conduct.faults_of(client_id)
    }

    /// Registers a client, or replaces the one with the same id.
    pub fn register(&self, client: Client) {
        self.provider.register(client);
    }

    /// Changes how the provider behaves from now on: `simulator.change(|b| b.rotation = Rotation::None)`.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        self.provider.conduct.change(change);
    }

    /// Changes how it behaves towards one client, so that one simulator plays many providers. The first change starts
    /// from the behaviour towards everybody, whose later changes do not reach this client any more.
    pub fn change_client(&self, client_id: &str, change: impl FnOnce(&mut Behaviour)) {
        self.provider.conduct.change_towards(client_id, change);
    }

    /// Revokes every live grant of an account (`sub`), as a user does in the provider's settings.
    pub fn revoke_by_user(&self, account: &str) {
        self.provider.record(|records| {
            let of_account = |grant: &Grant| grant.live && grant.account == account;
            let grants: Vec<_> = records.all_grants().filter(of_account).collect();
            for grant in grants {
                records.revoke_family(grant.family, RevocationCause::User);
            }
        });
    }

    /// The page that signs a browser in as this account: it is the one that consents there from then on.
    pub fn sign_in_url(&self, account: &Account) -> String {
        sign_in::url(&self.provider.base_url, account)
    }

    /// The issuer of the simulated app's user tokens: `base_url()` + `/app`, key set at `/app/jwks.json`.
    pub fn app_issuer(&self) -> &str {
        &self.provider.app.issuer
    }

    /// A signed ES256 token of an app user with `iss`, `sub`, `aud`, `iat` and `exp`.
    pub fn app_user_token(&self, user_id: &str, audience: &str, lifetime: Duration) -> String {
        self.app_user_token_draft(user_id, audience, lifetime)
            .sign()
    }

    /// The same, not signed yet: claims, header and key can be spoilt for negative tests.
    pub fn app_user_token_draft(
        &self,
        user_id: &str,
        audience: &str,
        lifetime: Duration,
    ) -> TokenDraft {
        self.provider.app.draft(user_id, audience, lifetime)
    }

    /// The simulated app's page that browsers are sent back to: `base_url()` + `/app/connected`.
    pub fn app_return_url(&self) -> String {
        format!("{}/connected", self.provider.app.issuer)
    }

    /// Waits until a browser came back to the app's page with this `authorization_id`; its query parameters.
    pub async fn wait_for_return(&self, authorization_id: &str) -> BTreeMap<String, String> {
        let mut returns = self.provider.returns.subscribe();
        loop {
            let arrived = returns
                .borrow_and_update()
                .iter()
                .find(|query| is_of(query, authorization_id))
                .cloned();
            if let Some(query) = arrived {
                return query;
            }
            // The sender lives in the provider, which self keeps: there is always a next change to wait for.
            _ = returns.changed().await;
        }
    }

    /// Every return to the app's page so far: its query parameters.
    pub fn returns(&self) -> Vec<BTreeMap<String, String>> {
        self.provider.returns.borrow().clone()
    }

    /// Ends held requests, closes the listener and waits until all is down, five seconds at most.
    pub async fn shutdown(mut self) {
        drop(self.closing);
        if timeout(Duration::from_secs(5), &mut self.serving)
            .await
            .is_err()
        {
            self.serving.abort();
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

fn is_of(query: &BTreeMap<String, String>, authorization_id: &str) -> bool {
    query
        .get("authorization_id")
        .is_some_and(|id| id == authorization_id)
}
