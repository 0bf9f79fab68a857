//! `tokend demo`: the whole path in one process, with nothing else needed.

mod provider;
mod story;

use anyhow::Context;
use clap::Args as ClapArgs;
use tokend_server::{
    Callers, Server, StartError, begin_logging,
    config::{AppUsers, Config},
};
use tokend_simulator::Simulator;

use crate::serve::EndSignals;

/// What app users' tokens are made out to.
const AUDIENCE: &str = "tokend";

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Stay up afterwards, for grpcurl; Ctrl-C ends it.
    #[arg(long)]
    keep: bool,
    /// Show the server's log on stderr.
    #[arg(long)]
    log: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    // Ended by a signal it tidies up after itself all the same.
    let mut signals = EndSignals::listen()?;
    let home = tempfile::tempdir().context("a temporary folder cannot be made")?;
    let simulator = provider::start()
        .await
        .context("the demonstration's provider cannot start")?;
    let mut config = configuration(home.path(), &simulator)?;
    if args.log {
        begin_logging(&config.log);
    }
    tokend_server::generate_key_file(&config.keys.file)?;
    let server = start(&mut config).await?;
    let tell = async {
        story::tell(&server, &simulator).await?;
        if args.keep {
            story::how_to_go_on(&server, &simulator)?;
            std::future::pending::<()>().await;
        }
        anyhow::Ok(())
    };
    let told = tokio::select! {
        told = tell => told,
        () = signals.wait() => Ok(()),
    };
    server.stop().await;
    simulator.shutdown().await;
    told
}

fn configuration(home: &std::path::Path, simulator: &Simulator) -> anyhow::Result<Config> {
    let mut config = Config::defaults()?;
    config.database.url = format!("sqlite:{}?mode=rwc", home.join("tokend.db").display());
    config.keys.file = home.join("tokend.key");
    // The story counts calls; nothing shall be renewed behind its back.
    config.vending.renew_ahead = false;
    config.journal.directory = home.join("journal");
    config.audit.file = home.join("audit.jsonl");
    config.deployment.file = home.join("tokend.deployment");
    config.oauth.allow_loopback = true;
    config.connect.return_urls = vec![simulator.app_return_url()];
    config.access.app_users = vec![AppUsers {
        workspace: "default".to_owned(),
        issuer: simulator.app_issuer().to_owned(),
        jwks_url: format!("{}/app/jwks.json", simulator.base_url()),
        audiences: vec![AUDIENCE.to_owned()],
        caller_audiences: Default::default(),
        algorithms: Vec::new(),
        user_id_claim: "sub".to_owned(),
        user_id_prefix: String::new(),
        shares_user_ids: false,
        max_token_age_seconds: 86_400,
    }];
    Ok(config)
}

/// Starts on the usual ports where they are free, so that the README's lines work; on any others where they are not.
async fn start(config: &mut Config) -> Result<Server, StartError> {
    loop {
        let taken = match Server::start(config, Callers::OpenOnLoopback).await {
            Err(StartError::Listen { address, .. }) if address.port() != 0 => address,
            started => return started,
        };
        for listen in [
            &mut config.grpc.listen,
            &mut config.http.listen,
            &mut config.operations.listen,
        ] {
            if *listen == taken {
                listen.set_port(0);
            }
        }
    }
}
