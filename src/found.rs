//! What a search over several pages has found.

use crate::{error::CallError, import::ImageId};

/// The images that a search found before it ended or failed. A page that fails does not discard the pages before it.
#[derive(Debug, Default)]
pub struct Found {
    /// The images, in the order of the pages.
    pub image_ids: Vec<ImageId>,
    /// Why the search is incomplete. `None` if it ended.
    pub error: Option<CallError>,
}

impl Found {
    /// Adds an image, or what is wrong with an entry. The search goes on after a malformed entry.
    pub(crate) fn add(&mut self, image_id: Result<ImageId, CallError>) {
        match image_id {
            Ok(image_id) => self.image_ids.push(image_id),
            Err(error) => self.error = Some(error),
        }
    }

    /// The search ends here with this error.
    pub(crate) fn failed(self, error: CallError) -> Self {
        Self { error: Some(error), ..self }
    }
}
