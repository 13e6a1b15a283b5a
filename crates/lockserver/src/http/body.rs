//! Reading a request's body within the bounds of section 10.

use axum::body::{Body, Bytes};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lock_core::limits::{BODY_BYTES_MAX, BODY_TIME_MAX_MS};
use std::time::Duration;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It did not arrive in time; the connection is of no more use.
    #[error("the request did not arrive in time")]
    TooSlow,
    /// It is larger than the bound, or says that it will be.
    #[error("the request is larger than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// The connection failed, or the framing is wrong.
    #[error("the request could not be read: {0}")]
    Broken(String),
}

/// The whole body.
pub(super) async fn read(body: Body) -> Result<Bytes, BodyError> {
    // What is announced as too large is not waited for.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(BodyError::TooLarge);
    }
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(Duration::from_millis(BODY_TIME_MAX_MS), whole).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(error)) => Err(BodyError::Broken(error.to_string())),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}
