//! Connections that end while nobody uses them.

/// How a server ends its open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server closes them (FIN), over TLS with `close_notify`. It first answers requests in progress.
    Close,
    /// The server resets them (RST).
    Reset,
    /// The server seems to keep them, but answers the next bytes on them with a reset (RST). A NAT gateway does so when
    /// a connection was idle for too long.
    Forget,
    /// The server keeps them, but never reads from them or answers on them again, as if every packet were lost.
    Silence,
}
