//! `tokend keys`: making the key that secrets are sealed with.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use tokend_server::config::Config;

use crate::output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a new key file. An existing file is never overwritten.
    Generate {
        /// Where to write it [default: keys.file of the configuration].
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(config: Option<&Path>, command: Command) -> anyhow::Result<()> {
    let Command::Generate { file, json } = command;
    let file = match file {
        Some(file) => file,
        None => Config::load(config)?.keys.file,
    };
    let key_id = tokend_server::generate_key_file(&file)?;
    if json {
        output::line(&serde_json::json!({ "keyId": key_id, "file": file }).to_string())?;
    } else {
        output::line(&key_id)?;
    }
    eprintln!(
        "Wrote {}; its key's id, which is no secret, is on stdout. Keep a copy in a safe place, apart from the database's backups: without it nothing that tokend \
         stored opens again.",
        file.display()
    );
    Ok(())
}
