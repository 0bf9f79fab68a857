//! `tokend connections set-credential`: stores what a person made at the provider: an API key, a user name and password.

use std::path::PathBuf;

use anyhow::bail;
use clap::{ArgGroup, Args as ClapArgs};
use tokend_api::v1::{self, admin_service_client::AdminServiceClient};
use tokend_client::Authenticated;

use crate::{
    connect::{key_value, report, secret_from},
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
#[command(group(ArgGroup::new("whose").required(true).args(["integration_type", "connector"])))]
#[command(after_help = "\
The credential is read from standard input or a file, never from the command line, where other users of the machine would see it:
  tokend connections set-credential stripe < key.txt")]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The integration type whose shared connection gets it.
    integration_type: Option<String>,
    /// The connector, in place of the integration type; needed for an app user's.
    #[arg(long, value_name = "ID")]
    connector: Option<String>,
    /// The app user who owns it.
    #[arg(long, requires = "connector")]
    user: Option<String>,
    /// Which of several accounts.
    #[arg(long)]
    label: Option<String>,
    /// The user name, where the credential is a password.
    #[arg(long, value_name = "NAME")]
    basic_user: Option<String>,
    /// The file with the credential; - for standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    credential_file: PathBuf,
    /// A value the type asks for before connecting.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    connection_config: Vec<(String, String)>,
    /// A word to find the connection by.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    tags: Vec<(String, String)>,
    /// Store it without asking the provider whose it is.
    #[arg(long)]
    skip_check: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let secret = secret_from(&args.credential_file, "--credential-file")?;
    let mut admin = args.remote.client().await?.admin();
    let connector_id = match (&args.connector, &args.integration_type) {
        (Some(id), _) => id.clone(),
        (None, Some(name)) => shared_connector(&mut admin, name).await?,
        (None, None) => bail!("an integration type or --connector is needed"),
    };
    let (access_token, basic) = match args.basic_user {
        Some(username) => {
            let password = secret;
            (
                String::new(),
                Some(v1::BasicCredential { username, password }),
            )
        }
        None => (secret, None),
    };
    let set = v1::SetStaticCredentialRequest {
        connector_id: connector_id.clone(),
        app_user_id: args.user.unwrap_or_default(),
        label: args.label,
        access_token,
        basic,
        connection_config: args.connection_config.into_iter().collect(),
        tags: args.tags.into_iter().collect(),
        skip_check: args.skip_check,
        ..Default::default()
    };
    let set = answer(admin.set_static_credential(set).await).map_err(in_flags)?;
    let name = args.integration_type.unwrap_or(connector_id);
    report(&args.remote, &name, set.connection.unwrap_or_default())
}

/// The error with the names that the command line has for the request's fields.
fn in_flags(mut error: tokend_client::Error) -> tokend_client::Error {
    error.message = error
        .message
        .replace("skip_check", "--skip-check")
        .replace(", in basic", ": give --basic-user");
    error
}

/// The id of a type's shared connector; the type's own name, to be told so, where there is none.
async fn shared_connector(
    admin: &mut AdminServiceClient<Authenticated>,
    name: &str,
) -> anyhow::Result<String> {
    let list = v1::ListConnectorsRequest {
        integration_type: name.to_owned(),
        kind: v1::ConnectorKind::Shared.into(),
        ..Default::default()
    };
    let listed = answer(admin.list_connectors(list).await)?;
    let first = listed.connectors.into_iter().next();
    Ok(first.map_or_else(|| name.to_owned(), |connector| connector.connector_id))
}
