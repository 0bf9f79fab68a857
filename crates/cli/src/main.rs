//! `tokend`: the server and the tools around it, in one binary. Data goes to stdout, everything else to stderr.

mod adopt_database;
mod audit;
mod callers;
mod connect;
mod connections;
mod connector_file;
mod connectors;
mod demo;
mod exit;
mod get;
mod hint;
mod keys;
mod migrate;
mod output;
mod policy;
mod remote;
mod revocations;
mod serve;
mod stats;
mod suspend;
mod types;
mod users;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

/// The token daemon: vends OAuth access tokens to the backend services of one organisation.
#[derive(Parser)]
#[command(name = "tokend", version, propagate_version = true)]
struct Cli {
    /// The configuration file [default: tokend.toml, if there is one].
    #[arg(long, global = true, env = "TOKEND_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve,
    /// See it work: server, a provider of our own, a consent that clicks itself, tokens vended and renewed.
    Demo(demo::Args),
    /// Bring the database's tables up to date.
    Migrate,
    /// Go on with a database that was copied or restored: make it this deployment's own.
    AdoptDatabase(adopt_database::Args),
    /// The keys that secrets are sealed with.
    #[command(subcommand)]
    Keys(keys::Command),
    /// The backend services and operators that may call.
    #[command(subcommand)]
    Callers(callers::Command),
    /// Connectors: what is available, and keeping them in files: push, pull, diff.
    #[command(subcommand)]
    Connectors(connectors::Command),
    /// Connect the shared account of an integration type: opens the browser, waits, reports.
    Connect(connect::Args),
    /// Get an access token.
    Get(get::Args),
    /// Connected accounts.
    #[command(subcommand)]
    Connections(connections::Command),
    /// What callers may do, and why: check policies, have access explained.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Stop a caller, an integration type or the workspace, on all replicas within 5 s. Nothing is lost meanwhile.
    Suspend(suspend::SuspendArgs),
    /// Set going again what was stopped.
    Resume(suspend::ResumeArgs),
    /// What is stopped.
    Suspensions(suspend::ListArgs),
    /// Revoke all connections of an integration type, here and at the provider, as a job.
    RevokeAll(revocations::RevokeAllArgs),
    /// Bulk revocations: how far they are, and stopping them.
    #[command(subcommand)]
    Revocations(revocations::Command),
    /// How much there is: connectors, connections, users, uses.
    Stats(stats::Args),
    /// What is stored about an app user, and its end.
    #[command(subcommand)]
    Users(users::Command),
    /// The audit trail: who did what, and whether it is as it was written.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Code with the names of this installation's integration types and connectors.
    #[command(subcommand)]
    Types(types::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(error) = refused(&cli) {
        error.exit();
    }
    // These two have secrets in memory; nothing of it is to be seen from outside.
    if matches!(cli.command, Command::Serve | Command::Demo(_))
        && let Err(error) = tokend_server::keep_secrets_in()
    {
        eprintln!(
            "tokend: {error}; not serving, as secrets could be read from this process's memory"
        );
        return exit::not_hardened();
    }
    let config = cli.config.as_deref();
    let administrative = !matches!(cli.command, Command::Get(_));
    let result = match cli.command {
        Command::Serve => serve::run(config).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Migrate => migrate::run(config).await,
        Command::AdoptDatabase(args) => adopt_database::run(config, &args).await,
        Command::Keys(command) => keys::run(config, command),
        Command::Callers(command) => callers::run(config, command).await,
        Command::Connectors(command) => connectors::run(command).await,
        Command::Connect(args) => connect::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Connections(command) => connections::run(command).await,
        Command::Policy(command) => policy::run(config, command).await,
        Command::Suspend(args) => suspend::suspend(args).await,
        Command::Resume(args) => suspend::resume(args).await,
        Command::Suspensions(args) => suspend::list(args).await,
        Command::RevokeAll(args) => revocations::revoke_all(args).await,
        Command::Revocations(command) => revocations::run(command).await,
        Command::Stats(args) => stats::run(args).await,
        Command::Users(command) => users::run(command).await,
        Command::Audit(command) => audit::run(config, command).await,
        Command::Types(command) => types::run(command).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if exit::is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tokend: {error:#}");
            if let Some(hint) = hint::of(&error, administrative) {
                eprintln!("{hint}");
            }
            exit::code(&error)
        }
    }
}

/// What the arguments' own rules cannot tell: a global one that the command does not go by.
fn refused(cli: &Cli) -> Option<clap::Error> {
    (cli.config.is_some() && matches!(cli.command, Command::Demo(_))).then(|| {
        Cli::command().error(
            ErrorKind::ArgumentConflict,
            "the demonstration has a configuration of its own; leave out --config and unset TOKEND_CONFIG",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demonstration_takes_no_configuration() {
        let refused = |arguments: &[&str]| refused(&Cli::try_parse_from(arguments).unwrap());
        let error = refused(&["tokend", "demo", "--config", "tokend.toml"]).unwrap();
        assert!(error.to_string().contains("of its own"), "{error}");
        assert_eq!(error.exit_code(), 2);
        assert!(refused(&["tokend", "serve", "--config", "tokend.toml"]).is_none());
    }
}
