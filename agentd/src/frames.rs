//! Frames of the agent wire over a Unix stream: bounded, with a deadline for each (R51).

use assent_wire::{Error, ToAgent, ToModule, body_len};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zeroize::Zeroizing;

/// A frame that has begun must be whole within this time.
const FRAME_DEADLINE: Duration = Duration::from_secs(3);

/// Why no message came.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The module closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// A frame was begun and not finished.
    #[error("a frame was not whole within {} s", FRAME_DEADLINE.as_secs())]
    Slow,
    /// What came is no message.
    #[error(transparent)]
    Malformed(#[from] Error),
    /// The socket.
    #[error("the socket failed: {0}")]
    Io(#[from] std::io::Error),
}

/// The next message. Waits for its first byte without a bound of its own.
pub async fn read(stream: &mut OwnedReadHalf) -> Result<ToAgent, FrameError> {
    let mut prefix = [0; 4];
    if stream.read(&mut prefix[..1]).await? == 0 {
        return Err(FrameError::Closed);
    }
    tokio::time::timeout(FRAME_DEADLINE, async {
        stream.read_exact(&mut prefix[1..]).await?;
        let len = body_len(prefix)?;
        let mut body = Zeroizing::new(vec![0; len]);
        stream.read_exact(&mut body).await?;
        Ok(ToAgent::decode(&body)?)
    })
    .await
    .map_err(|_| FrameError::Slow)?
}

/// Sends a message.
pub async fn write(stream: &mut OwnedWriteHalf, message: &ToModule) -> Result<(), FrameError> {
    let frame = message.encode()?;
    tokio::time::timeout(FRAME_DEADLINE, stream.write_all(&frame))
        .await
        .map_err(|_| FrameError::Slow)??;
    Ok(())
}
