//! Exit codes that scripts can use, after sysexits(3).

use std::{io, process::ExitCode};

use tokend_server::{StartError, config::ConfigError};
use tonic::Code;

use crate::{
    connections::InvalidImportLine,
    connector_file::{InvalidFiles, InvalidLine},
    connectors::NotConfirmed,
};

const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const DATA: u8 = 65;
const NOT_FOUND: u8 = 66;
const UNAVAILABLE: u8 = 69;
const TRY_AGAIN: u8 = 75;
const NOT_PERMITTED: u8 = 77;
const CONFIGURATION: u8 = 78;

/// The code for what went wrong: 65 a file or value given, 66 not found, 69 the server or database cannot
/// be reached, 75 worth trying again, 77 not permitted, 78 the configuration; else 1. Usage errors are 2, as clap's.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(number(error))
}

/// Whether stdout's reader has gone away, as `head` does when it has seen enough.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn number(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<InvalidFiles>()
            || cause.is::<InvalidLine>()
            || cause.is::<InvalidImportLine>()
        {
            return DATA;
        }
        if let Some(NotConfirmed::NobodyToAsk) = cause.downcast_ref() {
            return USAGE;
        }
        if cause.is::<ConfigError>() {
            return CONFIGURATION;
        }
        if let Some(error) = cause.downcast_ref::<StartError>() {
            return match error {
                StartError::Connect(_)
                | StartError::Storage
                | StartError::Migrate(_)
                | StartError::Listen { .. } => UNAVAILABLE,
                _ => CONFIGURATION,
            };
        }
        if let Some(error) = cause.downcast_ref::<tokend_client::Error>() {
            return of_grpc(error.code);
        }
    }
    FAILURE
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
