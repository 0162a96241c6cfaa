//! What the error codes of an import mean and what to do about them: the facts of the WorkSpaces administration guide.
//!
//! `docs/remedies.md` is generated from this table.

mod table;

/// What an error code means and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remedy {
    /// The codes with this meaning. The first one is the name to show.
    pub(crate) codes: &'static [&'static str],
    /// What is wrong, as one sentence.
    pub(crate) problem: &'static str,
    /// What to do, as one sentence.
    pub(crate) fix: &'static str,
    /// Where the guide writes about it.
    pub(crate) page: Page,
}

/// A page of the [WorkSpaces administration guide][guide].
///
/// [guide]: https://docs.aws.amazon.com/workspaces/latest/adminguide/
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    /// "Bring Your Own Windows desktop licenses".
    Byol,
    /// "Common error messages and their solutions".
    CommonErrors,
    /// "List of `SysPrep` error messages and error fixes".
    Sysprep,
    /// "Create a custom image and bundle", the tips for the Image Checker.
    ImageChecker,
}

impl Page {
    /// What the page is about.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Byol => "BYOL images",
            Self::CommonErrors => "Common errors",
            Self::Sysprep => "Sysprep errors",
            Self::ImageChecker => "Image Checker tips",
        }
    }

    /// The address of the page.
    pub(crate) fn url(self) -> &'static str {
        match self {
            Self::Byol => "https://docs.aws.amazon.com/workspaces/latest/adminguide/byol-windows-images.html",
            Self::CommonErrors => {
                "https://docs.aws.amazon.com/workspaces/latest/adminguide/windows-images-common-errors.html"
            }
            Self::Sysprep => "https://docs.aws.amazon.com/workspaces/latest/adminguide/images-errors-sysprep.html",
            Self::ImageChecker => {
                "https://docs.aws.amazon.com/workspaces/latest/adminguide/create-custom-bundle.html#image_checker_tips"
            }
        }
    }
}

/// Finds the remedy for a code. The case of the code does not matter: AWS publishes no list of the codes that an import
/// sends, and the lists that it does publish differ in case.
pub(crate) fn find(code: &str) -> Option<&'static Remedy> {
    table::REMEDIES.iter().find(|remedy| remedy.codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
}

#[cfg(test)]
mod tests;
