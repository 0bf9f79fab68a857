//! `tokend suspend`, `resume` and `suspensions`: kill switches.

use clap::{Args as ClapArgs, ValueEnum};
use tokend_api::v1::{self, SuspensionKind};

use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// A caller: none of its calls is taken.
    Caller,
    /// An integration type: nothing is vended or connected under its connectors.
    Type,
    /// The whole workspace: nothing is vended or connected; operators' calls go on.
    Workspace,
}

#[derive(ClapArgs)]
struct Subject {
    /// What is meant.
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    /// The caller's name, or the integration type's; none for the workspace. Callers' names are not checked: one that is
    /// not known yet can be stopped as well.
    #[arg(value_name = "NAME", required_if_eq_any([("what", "caller"), ("what", "type")]))]
    name: Option<String>,
}

#[derive(ClapArgs)]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    subject: Subject,
    /// Why, for other operators.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
}

#[derive(ClapArgs)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    subject: Subject,
}

#[derive(ClapArgs)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    remote: Remote,
}

/// `tokend suspend`.
pub(crate) async fn suspend(args: SuspendArgs) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::SuspendRequest {
        kind: args.subject.what.kind().into(),
        subject: args.subject.name.unwrap_or_default(),
        comment: args.comment,
    };
    let suspended = answer(admin.suspend(request).await)?;
    if suspended.subject_unknown {
        let subject = suspended.suspension.as_ref().map(|it| it.subject.as_str());
        eprintln!(
            "warning: no caller of the name '{}' is known here now; if it is misspelt, resume it and stop the right one \
             ('tokend callers list' shows those with API keys)",
            subject.unwrap_or_default()
        );
    }
    if args.remote.json {
        output::line(&output::json("SuspendResponse", &suspended)?)?;
        return Ok(());
    }
    let suspension = suspended.suspension.unwrap_or_default();
    output::line(&format!(
        "{}: stopped on all replicas within 5 s; since {}, by {}",
        told(&suspension),
        time(&suspension),
        suspension.suspended_by
    ))?;
    Ok(())
}

/// `tokend resume`.
pub(crate) async fn resume(args: ResumeArgs) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::ResumeRequest {
        kind: args.subject.what.kind().into(),
        subject: args.subject.name.unwrap_or_default(),
    };
    let resumed = answer(admin.resume(request).await)?;
    if args.remote.json {
        output::line(&output::json("ResumeResponse", &resumed)?)?;
        return Ok(());
    }
    let suspension = resumed.suspension.unwrap_or_default();
    output::line(&format!(
        "{}: goes on, on all replicas within 5 s; was stopped since {}",
        told(&suspension),
        time(&suspension)
    ))?;
    Ok(())
}

/// `tokend suspensions`.
pub(crate) async fn list(args: ListArgs) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let listed = answer(admin.list_suspensions(v1::ListSuspensionsRequest {}).await)?;
    if args.remote.json {
        output::line(&output::json("ListSuspensionsResponse", &listed)?)?;
        return Ok(());
    }
    let rows = listed.suspensions.iter().map(|suspension| {
        [
            what(suspension.kind()).to_owned(),
            suspension.subject.clone(),
            time(suspension),
            suspension.suspended_by.clone(),
            suspension.comment.clone(),
        ]
    });
    output::table(["WHAT", "NAME", "SINCE", "BY", "COMMENT"], rows)?;
    Ok(())
}

impl What {
    fn kind(self) -> SuspensionKind {
        match self {
            Self::Caller => SuspensionKind::Caller,
            Self::Type => SuspensionKind::IntegrationType,
            Self::Workspace => SuspensionKind::Workspace,
        }
    }
}

fn told(suspension: &v1::Suspension) -> String {
    let what = what(suspension.kind());
    format!("{what} {}", suspension.subject)
        .trim_end()
        .to_owned()
}

fn what(kind: SuspensionKind) -> &'static str {
    match kind {
        SuspensionKind::Caller => "caller",
        SuspensionKind::IntegrationType => "type",
        SuspensionKind::Workspace => "workspace",
        SuspensionKind::Unspecified => "",
    }
}

fn time(suspension: &v1::Suspension) -> String {
    let time = suspension.create_time;
    time.map(|time| time.to_string()).unwrap_or_default()
}
