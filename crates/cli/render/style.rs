//! The few words that have a colour: states. Colour repeats what the word says and never replaces it; whether it is
//! printed at all (terminal, NO_COLOR, pipe) is decided where it is written.

use anstyle::{AnsiColor, Style};

/// How a state word looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Like any other word.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Bad,
}

impl Tone {
    /// The tone of a permission, a health verdict, a component's state or a mode, by its word.
    pub fn of(word: &str) -> Self {
        failstop_view::Tone::of(word).into()
    }

    /// `text` in this tone.
    pub fn paint(self, text: &str) -> String {
        let style = match self {
            Self::Plain => return text.to_owned(),
            Self::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Self::Warning => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            Self::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
        };
        format!("{style}{text}{style:#}")
    }
}

impl From<failstop_view::Tone> for Tone {
    fn from(tone: failstop_view::Tone) -> Self {
        match tone {
            failstop_view::Tone::Plain => Self::Plain,
            failstop_view::Tone::Good => Self::Good,
            failstop_view::Tone::Warning => Self::Warning,
            failstop_view::Tone::Bad => Self::Bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_survives_its_colour() {
        for word in ["active", "observe-only", "shutdown", "anything"] {
            let painted = Tone::of(word).paint(word);
            assert!(painted.contains(word));
            assert_eq!(anstream::adapter::strip_str(&painted).to_string(), word);
        }
        assert_eq!(Tone::Plain.paint("x"), "x");
    }
}
