//! What goes wrong on the wire, as opposed to an error that the service answers with.

use std::time::Duration;

/// A failure of the connection or of what it carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The request is read, then the connection is reset (RST) with no answer at all.
    Reset,
    /// A 200 that announces more of a JSON body than it sends; then the connection closes.
    Truncated,
    /// The request is read and never answered.
    NoAnswer,
    /// A 200 with a body that is neither JSON nor XML, nor UTF-8.
    Garbage,
    /// A 200 whose headers come at once and whose body, an empty JSON object among blanks, takes this long in all.
    SlowBody(Duration),
}
