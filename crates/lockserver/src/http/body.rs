//! Reading a request's body within the bounds of section 10.

use axum::BoxError;
use axum::body::{Body, Bytes};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lock_core::limits::{BODY_BYTES_MAX, BODY_TIME_MAX_MS};
use std::time::Duration;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
    let whole = async {
        let mut body = Limited::new(body, BODY_BYTES_MAX);
        let mut bytes = Vec::new();
        // Copied, since each piece may keep all that arrived with it: a client that sends one byte at a time costs no more.
        while let Some(frame) = body.frame().await.transpose()? {
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok::<_, BoxError>(bytes)
    };
    match tokio::time::timeout(Duration::from_millis(BODY_TIME_MAX_MS), whole).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(error)) => Err(BodyError::Broken(error.to_string())),
        Ok(Ok(bytes)) => Ok(bytes.into()),
    }
}

/// The whole body of JSON. Some editors and shells begin every text with a byte order mark, which a parser may pass over
/// (RFC 8259, 8.1).
pub(super) async fn read_json(body: Body) -> Result<Bytes, BodyError> {
    let bytes = read(body).await?;
    Ok(if bytes.starts_with(BYTE_ORDER_MARK) { bytes.slice(BYTE_ORDER_MARK.len()..) } else { bytes })
}
