//! What a person sees: a bar for each import, and above them what is announced.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use simulator::Published;

/// The bars. Where there is no terminal for them, or they are not wanted, only the announcements are shown.
#[derive(Debug)]
pub(crate) struct Progress {
    all: MultiProgress,
    bars: Vec<(String, ProgressBar)>,
}

impl Progress {
    pub(crate) fn new<'a>(image_ids: impl IntoIterator<Item = &'a str>, shown: bool) -> anyhow::Result<Self> {
        let all = MultiProgress::new();
        if !shown {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos:>3} %  {msg}")?.progress_chars("=> ");
        let mut bars = Vec::new();
        for image_id in image_ids {
            let bar = all.add(ProgressBar::new(100)).with_style(style.clone()).with_prefix(image_id.to_owned());
            bar.tick();
            bars.push((image_id.to_owned(), bar));
        }
        Ok(Self { all, bars })
    }

    /// Moves the bars to where a response has the imports.
    pub(crate) fn update(&self, response: &Value) {
        for record in response["Imports"].as_array().into_iter().flatten() {
            let Some((_, bar)) = self.bars.iter().find(|(image_id, _)| record["ImageId"] == image_id.as_str()) else {
                continue;
            };
            if let Some(percentage) = record["Description"]["ProgressPercentage"].as_u64() {
                bar.set_position(percentage);
            }
            let state = record["State"].as_str().unwrap_or("not announced yet");
            bar.set_message(match record["CheckError"]["Error"].as_str() {
                Some(error) => format!("{state}, not checked: {error}"),
                None if record["Missing"] == true && record["Outcome"] == "PENDING" => format!("{state}, not found"),
                None => state.to_owned(),
            });
        }
    }

    /// Writes above the bars, or to standard output where there are none.
    pub(crate) fn say(&self, text: &str) -> anyhow::Result<()> {
        if self.all.is_hidden() {
            println!("{text}");
        } else {
            self.all.println(text)?;
        }
        Ok(())
    }
}

impl Drop for Progress {
    /// Leaves the bars where they are.
    fn drop(&mut self) {
        for (_, bar) in &self.bars {
            bar.abandon();
        }
    }
}

/// What a subscriber by e-mail sees of a message in a list of messages.
pub(crate) fn summary(message: &Published) -> String {
    let subject = message.subject.as_deref().unwrap_or("(no subject)");
    let email = message.body("email").unwrap_or_default();
    format!("{subject}\n    {}", email.lines().next().unwrap_or_default())
}
