//! `tokend connectors pull`: the server's connectors, written into a folder of files.

mod file;

use std::path::PathBuf;

use serde_json::json;

use super::Stored;
use crate::{
    connector_file::{ConnectorFolder, InvalidFiles, read_folder},
    output,
    remote::Remote,
};
use file::{Outcome, PulledFile};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The folder to write to; made where there is none.
    #[arg(default_value = "connectors")]
    folder: PathBuf,
    /// Remove files whose connector or integration type is not on the server.
    #[arg(long)]
    prune: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let folder = match args.folder.exists() {
        true => read_folder(&args.folder)?,
        false => ConnectorFolder::default(),
    };
    InvalidFiles::check(folder.errors.clone())?;
    let mut admin = args.remote.client().await?.admin();
    let stored = Stored::read(&mut admin).await?;
    let pulled = file::pulled(&args.folder, folder, &stored)?;
    for file in &pulled {
        file.carry_out(args.prune)?;
    }
    print(&pulled, &args)?;
    let gone = pulled
        .iter()
        .filter(|file| matches!(file.outcome, Outcome::Gone));
    for file in gone.filter(|_| !args.prune) {
        eprintln!(
            "{}: what it describes is not on the server; --prune removes the file",
            file.path.display()
        );
    }
    Ok(())
}

fn print(pulled: &[PulledFile], args: &Args) -> anyhow::Result<()> {
    if args.remote.json {
        let files: Vec<_> = pulled
            .iter()
            .map(|file| json!({ "file": file.path, "action": file.word(args.prune), "describes": file.describes }))
            .collect();
        output::line(&format!("{:#}", json!({ "files": files })))?;
        return Ok(());
    }
    let rows = pulled.iter().map(|file| {
        [
            file.word(args.prune).to_owned(),
            file.path.display().to_string(),
            file.describes.clone(),
        ]
    });
    output::table(["ACTION", "FILE", "DESCRIBES"], rows)?;
    Ok(())
}
