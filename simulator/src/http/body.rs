//! A response body that can come late or not wholly.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Interval, Sleep, interval_at, sleep};

/// How long a cut body's connection stays open after its last byte, so that the byte is on its way before the end.
const FLUSH: Duration = Duration::from_millis(20);

/// The bytes still to come, at which pace, and how many were announced.
pub(super) struct ReplyBody {
    rest: Bytes,
    announced: u64,
    pace: Pace,
}

enum Pace {
    AtOnce,
    /// One byte a tick.
    Trickle(Interval),
    /// What there is at once, then an error, which ends the connection.
    Cut(Pin<Box<Sleep>>),
}

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { announced: bytes.len() as u64, rest: bytes, pace: Pace::AtOnce }
    }

    /// Takes `total` to arrive, however few bytes it is.
    pub(super) fn trickle(bytes: &'static [u8], total: Duration) -> Self {
        let pieces = u32::try_from(bytes.len().max(1)).unwrap_or(u32::MAX);
        let step = (total / pieces).max(Duration::from_nanos(1));
        let pace = Pace::Trickle(interval_at(Instant::now() + step, step));
        Self { pace, ..Self::whole(Bytes::from_static(bytes)) }
    }

    /// Promises `missing` more bytes than it has.
    pub(super) fn cut(bytes: &'static [u8], missing: u64) -> Self {
        let whole = Self::whole(Bytes::from_static(bytes));
        Self { announced: whole.announced + missing, pace: Pace::Cut(Box::pin(sleep(FLUSH))), ..whole }
    }

    fn take(&mut self, length: usize) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = self.rest.split_to(length);
        self.announced -= piece.len() as u64;
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
            Pace::Cut(flushed) if left == 0 => {
                ready!(flushed.as_mut().poll(context));
                Poll::Ready(Some(Err(io::Error::other("the body is cut here on purpose"))))
            }
            _ if left == 0 => Poll::Ready(None),
            Pace::Trickle(ticks) => {
                ready!(ticks.poll_tick(context));
                self.take(1)
            }
            Pace::AtOnce | Pace::Cut(_) => self.take(left),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.announced == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
