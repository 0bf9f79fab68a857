//! `tokend types`: this installation's names, as code.

mod facts;
mod go;
mod identifier;
mod python;
mod rust;
mod typescript;

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::{Subcommand, ValueEnum};

use crate::{connectors::Stored, output, remote::Remote};
use facts::Facts;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write the integration types, and this installation's connectors, as constants of a programming language.
    Generate(Args),
}

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The language.
    #[arg(long, value_enum)]
    lang: Language,
    /// The file to write [default: stdout].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    Rust,
    #[value(alias = "ts")]
    Typescript,
    Python,
    Go,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Generate(args) = command;
    let mut admin = args.remote.client().await?.admin();
    let facts = Facts::of(Stored::read(&mut admin).await?);
    let (name, text) = match args.lang {
        Language::Rust => ("rust", rust::generate(&facts)),
        Language::Typescript => ("typescript", typescript::generate(&facts)),
        Language::Python => ("python", python::generate(&facts)),
        Language::Go => ("go", go::generate(&facts)),
    };
    if let Some(file) = &args.out {
        fs::write(file, &text).with_context(|| file.display().to_string())?;
        eprintln!("Wrote {}.", file.display());
    }
    if args.remote.json {
        let told = serde_json::json!({ "language": name, "file": args.out, "text": text });
        output::line(&format!("{told:#}"))?;
    } else if args.out.is_none() {
        output::line(text.trim_end())?;
    }
    Ok(())
}
