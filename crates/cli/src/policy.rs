//! `tokend policy`: what callers may do, and why.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args as ClapArgs, Subcommand};
use tokend_api::v1;
use tokend_server::{NamedType, POLICY_SCHEMA, Policy, config::Config};

use crate::{
    output,
    remote::{Remote, answer},
};

/// How alike a name is that was probably meant.
const LIKENESS: f64 = 0.8;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say whether the policies can be used, with each mistake's file and line. Needs no server.
    Check {
        /// A file, or a directory with *.cedar files [default: access.policy_path of the configuration].
        path: Option<PathBuf>,
    },
    /// Say why a caller may do something, or why not. Nothing is done. Exits with 3 if it may not.
    Explain(Box<Explain>),
    /// Print what policies can see, as a Cedar schema.
    Schema,
}

#[derive(ClapArgs)]
pub(crate) struct Explain {
    #[command(flatten)]
    remote: Remote,
    /// Whom to ask about, such as billing or spiffe://acme.test/shop [default: whoever asks].
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// The integration type whose shared connection is meant.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "connector")]
    integration_type: Option<String>,
    /// The connector, for app users' connections.
    #[arg(long, value_name = "ID")]
    connector: Option<String>,
    /// What it would do, as policies name it, such as connect or manage-connectors [default: vend, or vend-for-user
    /// with --connector].
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// The app user that it would act for; policies see an empty issuer, since nobody has vouched for it.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Which of the owner's connections.
    #[arg(long)]
    label: Option<String>,
    /// A scope it would ask for; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

/// The caller may not.
#[derive(Debug, thiserror::Error)]
#[error("not allowed")]
pub(crate) struct NotAllowed;

pub(crate) async fn run(config: Option<&Path>, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check { path } => check(config, path),
        Command::Explain(args) => explain(*args).await,
        Command::Schema => Ok(output::line(POLICY_SCHEMA.trim_end())?),
    }
}

fn check(config: Option<&Path>, path: Option<PathBuf>) -> anyhow::Result<()> {
    let path = match path {
        Some(path) => Some(path),
        None => Config::load(config)?.policy_path(),
    };
    let checked = Policy::open(path.clone(), "");
    let place = match &path {
        Some(path) => path.display().to_string(),
        None => "access.policy_path is not set, built in".to_owned(),
    };
    let checked = checked.with_context(|| place.clone())?.summary();
    for warning in &checked.warnings {
        eprintln!("warning: {warning}");
    }
    warn_of_unknown(&checked.integration_types)?;
    let plural = if checked.count == 1 {
        "policy"
    } else {
        "policies"
    };
    output::line(&format!("{place}: {} {plural}", checked.count))?;
    Ok(())
}

/// An integration type that does not come with tokend is the operator's own, or misspelt.
fn warn_of_unknown(named: &[NamedType]) -> anyhow::Result<()> {
    let known = tokend_server::integration_type_names()?;
    for NamedType { name, location } in named {
        if known.contains(name) {
            continue;
        }
        let likeness = |known: &String| strsim::jaro_winkler(name, known);
        let near = known.iter().filter(|known| likeness(known) >= LIKENESS);
        let nearest = near.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
        let meant = nearest.map(|near| format!(", or did you mean '{near}'"));
        eprintln!(
            "warning: {location}: no integration type {name:?} comes with tokend; is it one of your own{}?",
            meant.unwrap_or_default()
        );
    }
    Ok(())
}

async fn explain(args: Explain) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::ExplainAccessRequest {
        caller: args.caller.unwrap_or_default(),
        integration_type: args.integration_type.unwrap_or_default(),
        connector_id: args.connector.unwrap_or_default(),
        app_user_id: args.user.unwrap_or_default(),
        scopes: args.scopes,
        policy_action: args.action.unwrap_or_default(),
        label: args.label.unwrap_or_default(),
        ..Default::default()
    };
    let explained = answer(admin.explain_access(request).await)?;
    if args.remote.json {
        output::line(&output::json("ExplainAccessResponse", &explained)?)?;
    } else {
        output::line(&explained.explanation)?;
        let rules = explained.rules.iter().map(|rule| {
            let effect = match rule.effect() {
                v1::AccessEffect::Deny => "forbids",
                _ => "permits",
            };
            let location = match rule.location.as_str() {
                "" => "built in",
                location => location,
            };
            [
                rule.rule_id.clone(),
                effect.to_owned(),
                location.to_owned(),
                rule.description.clone(),
            ]
        });
        if !explained.rules.is_empty() {
            output::table(["POLICY", "EFFECT", "WHERE", "DESCRIPTION"], rules)?;
        }
    }
    if explained.allowed {
        Ok(())
    } else {
        Err(NotAllowed.into())
    }
}
