//! A response body that can arrive slowly or incompletely, or that never ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Interval, Sleep, interval_at, sleep};

/// How long the connection stays open after the last byte of an incomplete body, so that the byte is sent before the
/// connection closes.
const FLUSH: Duration = Duration::from_millis(20);

/// A body that sends `rest` at a certain pace, and promises a number of bytes in `Content-Length`.
pub(super) struct ReplyBody {
    rest: Bytes,
    /// Bytes that `Content-Length` promises and that have not been sent.
    promised: u64,
    pace: Pace,
}

enum Pace {
    /// Everything in one piece.
    AtOnce,
    /// One byte per tick.
    Trickle(Interval),
    /// Everything in one piece, then an error that closes the connection.
    Incomplete(Pin<Box<Sleep>>),
    /// `rest` again and again, in chunks.
    Endless,
}

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { promised: bytes.len() as u64, rest: bytes, pace: Pace::AtOnce }
    }

    /// Sends the bytes one by one, evenly spread over `total`.
    pub(super) fn trickle(bytes: &'static [u8], total: Duration) -> Self {
        let pieces = u32::try_from(bytes.len().max(1)).unwrap_or(u32::MAX);
        let step = (total / pieces).max(Duration::from_nanos(1));
        let pace = Pace::Trickle(interval_at(Instant::now() + step, step));
        Self { pace, ..Self::whole(Bytes::from_static(bytes)) }
    }

    /// Promises `missing` more bytes than it sends.
    pub(super) fn incomplete(bytes: &'static [u8], missing: u64) -> Self {
        let whole = Self::whole(Bytes::from_static(bytes));
        Self { promised: whole.promised + missing, pace: Pace::Incomplete(Box::pin(sleep(FLUSH))), ..whole }
    }

    /// Sends spaces as long as the caller reads.
    pub(super) fn endless() -> Self {
        Self { pace: Pace::Endless, ..Self::whole(Bytes::from_static(&[b' '; 16 * 1024])) }
    }

    fn send(&mut self, length: usize) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = self.rest.split_to(length);
        self.promised -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let left = self.rest.len();
        match &mut self.pace {
            Pace::Endless => Poll::Ready(Some(Ok(Frame::data(self.rest.clone())))),
            Pace::Incomplete(flushed) if left == 0 => {
                ready!(flushed.as_mut().poll(context));
                Poll::Ready(Some(Err(io::Error::other("the simulator ends this body early on purpose"))))
            }
            _ if left == 0 => Poll::Ready(None),
            Pace::Trickle(ticks) => {
                ready!(ticks.poll_tick(context));
                self.send(1)
            }
            Pace::AtOnce | Pace::Incomplete(_) => self.send(left),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.promised == 0
    }

    fn size_hint(&self) -> SizeHint {
        if matches!(self.pace, Pace::Endless) { SizeHint::new() } else { SizeHint::with_exact(self.promised) }
    }
}
