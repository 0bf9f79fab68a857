//! Exit codes that scripts can use, after sysexits(3).

use std::{io, process::ExitCode};

use tokend_server::{CallerError, InvalidPolicies, StartError, config::ConfigError};
use tonic::Code;

use crate::{
    audit::NotAsWritten,
    connections::InvalidImportLine,
    connector_file::{InvalidFiles, InvalidLine},
    connectors::NotConfirmed,
    policy::NotAllowed,
};

const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const DENIED: u8 = 3;
const DATA: u8 = 65;
const NOT_FOUND: u8 = 66;
const UNAVAILABLE: u8 = 69;
const OPERATING_SYSTEM: u8 = 71;
const TRY_AGAIN: u8 = 75;
const NOT_PERMITTED: u8 = 77;
const CONFIGURATION: u8 = 78;

/// The code for what went wrong: 3 the answer of `policy explain` is no, 65 a file or value given, 66 not found, 69 the server or database cannot
/// be reached, 75 worth trying again, 77 not permitted, 78 the configuration; else 1. Usage errors are 2, as clap's.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(number(error))
}

/// Whether stdout's reader has gone away, as `head` does when it has seen enough.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The code for an operating system that does not keep secrets in: 71.
pub(crate) fn not_hardened() -> ExitCode {
    ExitCode::from(OPERATING_SYSTEM)
}

fn number(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<InvalidFiles>()
            || cause.is::<InvalidLine>()
            || cause.is::<InvalidImportLine>()
            || cause.is::<NotAsWritten>()
            || cause.is::<InvalidPolicies>()
        {
            return DATA;
        }
        if cause.is::<NotAllowed>() {
            return DENIED;
        }
        if let Some(NotConfirmed::NobodyToAsk | NotConfirmed::NobodyToAskWhether(_)) =
            cause.downcast_ref()
        {
            return USAGE;
        }
        if cause.is::<ConfigError>() {
            return CONFIGURATION;
        }
        if let Some(error) = cause.downcast_ref::<StartError>() {
            return of_start(error);
        }
        if let Some(error) = cause.downcast_ref::<CallerError>() {
            return of_callers(error);
        }
        if let Some(error) = cause.downcast_ref::<tokend_client::Error>() {
            return of_grpc(error.code);
        }
    }
    FAILURE
}

fn of_start(error: &StartError) -> u8 {
    match error {
        StartError::Connect(_)
        | StartError::Storage
        | StartError::Migrate(_)
        | StartError::Listen { .. } => UNAVAILABLE,
        _ => CONFIGURATION,
    }
}

fn of_callers(error: &CallerError) -> u8 {
    match error {
        CallerError::Installation(error) => of_start(error),
        CallerError::NotFound(_) => NOT_FOUND,
        CallerError::ApiKey(_)
        | CallerError::NameTaken { .. }
        | CallerError::Workspace(_)
        | CallerError::ExpiresTooLate => DATA,
        CallerError::SeveralWorkspaces(_) | CallerError::SeveralRoles => USAGE,
    }
}

fn of_grpc(code: Code) -> u8 {
    match code {
        Code::InvalidArgument => DATA,
        Code::NotFound => NOT_FOUND,
        Code::Unavailable => UNAVAILABLE,
        Code::Aborted | Code::ResourceExhausted | Code::DeadlineExceeded => TRY_AGAIN,
        Code::Unauthenticated | Code::PermissionDenied => NOT_PERMITTED,
        _ => FAILURE,
    }
}
