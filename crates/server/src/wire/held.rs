//! What a call has taken of what there is for all, for as long as it should: until its caller is known, or until the
//! last of its answer.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body, codegen::Bytes};

use super::shares::Slot;

/// A place among those whose caller is not known yet, in the extensions of a call that takes one.
#[derive(Debug, Clone)]
pub(crate) struct Unidentified(Arc<Mutex<Option<Slot>>>);

/// An answer that is under way for as long as there is more of it.
pub(super) struct Answer {
    body: Body,
    _slot: Slot,
}

impl Unidentified {
    pub(super) fn new(slot: Slot) -> Self {
        Self(Arc::new(Mutex::new(Some(slot))))
    }

    /// Makes room for others: the caller is known.
    pub(crate) fn is_known(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Answer {
    pub(super) fn holding(slot: Slot, body: Body) -> Body {
        Body::new(Self { body, _slot: slot })
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
