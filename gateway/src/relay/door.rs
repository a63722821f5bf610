//! Where calls to the registrar go: to the one in this process, or to one that runs apart and has dialled in. Where calls to
//! the code service go.

use super::link::Desk;
use crate::clock;
use crate::codes;
use crate::error::Error;
use crate::registrar::Registrar;
use assent_proto::registrar::Sealed;
use assent_proto::relay::TrustInfo;
use std::sync::Arc;

/// The way to the registrar.
#[derive(Clone)]
pub enum Door {
    /// In this process.
    Here(Arc<Registrar>),
    /// Apart.
    Apart(Arc<Desk>),
}

impl Door {
    /// What anyone may know of the registrar's keys.
    pub(super) fn trust(&self) -> Result<TrustInfo, Error> {
        match self {
            Self::Here(registrar) => Ok(registrar.trust_info(clock::now())),
            Self::Apart(desk) => desk.trust(),
        }
    }

    /// One sealed call.
    pub(super) async fn call(&self, sealed: Sealed) -> Result<Sealed, Error> {
        match self {
            Self::Here(registrar) => {
                // In a task of its own: a caller who hangs up must not undo what follows a commit, such as the notice to the
                // user.
                let registrar = Arc::clone(registrar);
                let handled = tokio::spawn(async move { registrar.handle(&sealed, clock::now()).await });
                handled.await.unwrap_or(Err(Error::Internal("the registrar failed")))
            }
            Self::Apart(desk) => desk.call(sealed).await,
        }
    }
}

/// The way to the code service.
#[derive(Clone)]
pub enum CodesDoor {
    /// In this process, or at a socket of this machine.
    Service(codes::desk::Desk),
    /// Through the registrar, which runs apart and knows whether there is one.
    ByRegistrar(Arc<Desk>),
    /// This gateway has none.
    Nowhere,
}

impl CodesDoor {
    /// One sealed call.
    pub(super) async fn call(&self, sealed: Sealed) -> Result<Sealed, Error> {
        match self {
            Self::Service(codes) => codes.call(sealed).await,
            Self::ByRegistrar(desk) => desk.call(sealed).await,
            Self::Nowhere => Err(Error::NoRoute),
        }
    }
}
