//! Acts come to their end and onto the record, whether or not their callers wait for it.

use std::future::Future;

use tokend_vending::Error;
use tokio_util::task::TaskTracker;
use tonic::{Response, Status};

use super::{asked::Names, connector_service::answer, made::Made};
use crate::{
    admission::{Admission, Admitted},
    failure::Failure,
};

/// Acts under way: a stop waits for them before the audit trail ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acts(TaskTracker);

impl Acts {
    /// Carries an act and its record out in a task of its own: a caller that hangs up, or whose deadline passes, ends
    /// its waiting and nothing else.
    pub(crate) async fn carry_out<T, E>(
        &self,
        act: impl Future<Output = Result<T, E>> + Send + 'static,
        broken_off: impl FnOnce(Failure) -> E,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        match self.0.spawn(act).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "an act broke off");
                Err(broken_off(Error::Internal.into()))
            }
        }
    }

    /// What a stop waits for.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0
    }
}

impl Admission {
    /// What came of something, once it is on record.
    pub(super) async fn recorded<T: Made>(
        &self,
        names: &Names,
        admitted: &Admitted,
        result: Result<T, impl Into<Failure>>,
    ) -> Result<T, Failure> {
        let result = result.map_err(Into::into);
        let made = result.iter().flat_map(Made::made);
        let asked = names.told.iter().chain(&names.recorded).cloned();
        let named: Vec<_> = asked.chain(made).collect();
        let failure = result.as_ref().err();
        self.audit.done(admitted, &named, failure).await?;
        result
    }

    /// The answer, once it is on record.
    pub(super) async fn acted<T: Made>(
        &self,
        names: Names,
        admitted: &Admitted,
        result: Result<T, impl Into<Failure>>,
    ) -> Result<Response<T>, Status> {
        let recorded = self.recorded(&names, admitted, result).await;
        answer(|| names.told, recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::identity;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn an_act_goes_on_without_its_caller_and_a_stop_waits_for_it() {
        let acts = Acts::default();
        let (go_on, told) = oneshot::channel::<()>();
        let (done, recorded) = oneshot::channel();
        let act = async move {
            let _ = told.await;
            let _ = done.send("on record");
            Ok::<_, Failure>(())
        };
        // The caller is there for one look, and gone.
        let mut waiting = Box::pin(acts.carry_out(act, identity));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(waiting);
        acts.tasks().close();
        assert!(!acts.tasks().is_empty());
        assert!(go_on.send(()).is_ok());
        acts.tasks().wait().await;
        assert_eq!(recorded.await, Ok("on record"));
    }

    #[tokio::test]
    async fn an_act_that_breaks_off_is_an_error() {
        let act = async { panic!("a mistake of ours") };
        let result: Result<(), Failure> = Acts::default().carry_out(act, identity).await;
        assert!(matches!(result, Err(Failure::UseCase(Error::Internal))));
    }
}
