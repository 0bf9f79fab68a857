//! `tokend connectors push`: a plan first, then a yes, then the change as a whole, then the accounts.

use std::path::PathBuf;

use super::{
    NotConfirmed, confirm,
    connect_new::{self, Connecting},
    plan::Plan,
};
use crate::{
    connector_file::{InvalidFiles, InvalidLine, read_folder},
    output,
    remote::Remote,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The folder with the files.
    #[arg(default_value = "connectors")]
    folder: PathBuf,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
    /// Delete connectors that no file names. Refused while they have connections.
    #[arg(long)]
    prune: bool,
    /// Do not ask. For pipelines, where there is no terminal to ask on.
    #[arg(long, short)]
    yes: bool,
    /// Do not connect accounts of shared connectors that have none.
    #[arg(long)]
    no_connect: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut folder = read_folder(&args.folder)?;
    if folder.is_empty() {
        let why = "holds no {type}.jsonc, {type}.json or {type}.toml";
        Err(InvalidLine::of(&args.folder, why))?;
    }
    folder.read_secrets();
    let connected = args.remote.client().await;
    if connected.is_err() {
        // What is wrong here is told without a server, too.
        InvalidFiles::check(folder.errors.clone())?;
    }
    let mut admin = connected?.admin();
    let plan = match Plan::ask(&mut admin, &folder, args.prune).await {
        Ok(plan) => plan,
        Err(error) if error.is::<InvalidFiles>() => return Err(error),
        Err(error) => {
            InvalidFiles::check(folder.errors)?;
            return Err(error);
        }
    };
    if !args.remote.json {
        plan.print()?;
    }
    plan.tell_consents(&mut admin).await?;
    plan.tell_in_use(&mut admin).await?;
    if args.dry_run {
        print_json(&args, &plan)?;
        eprintln!("Nothing was changed: this was a dry run.");
        return Ok(());
    }
    if let Err(error) = agree(&args, &plan) {
        print_json(&args, &plan)?;
        return Err(error);
    }
    let done = plan.apply(&mut admin, &folder, args.prune).await?;
    print_json(&args, &done)?;
    match done.is_empty() {
        true => eprintln!("Nothing to change: the server is what the files say."),
        false => eprintln!("Done: {}.", done.figures()),
    }
    if args.no_connect {
        return Ok(());
    }
    let connecting = Connecting {
        on_terminal: confirm::on_terminal(),
        unasked: args.yes,
    };
    connect_new::connect(&mut admin, &done.answer, connecting).await
}

fn print_json(args: &Args, plan: &Plan) -> anyhow::Result<()> {
    if args.remote.json {
        output::line(&format!("{:#}", plan.json()?))?;
    }
    Ok(())
}

/// Goes on where there is nothing to change, or a yes.
fn agree(args: &Args, plan: &Plan) -> anyhow::Result<()> {
    if args.yes || plan.is_empty() {
        return Ok(());
    }
    // With --json there is nothing on the screen to say yes to.
    if args.remote.json || !confirm::on_terminal() {
        return Err(NotConfirmed::NobodyToAsk.into());
    }
    match confirm::ask(&format!("Apply this ({})?", plan.figures()), false)? {
        true => Ok(()),
        false => Err(NotConfirmed::Declined.into()),
    }
}
