//! `[witness]`: who remembers the journal's heads outside this host.

use failstop_settings::{Consistent, Kind, Places, Reading, Url, section, within};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// Who remembers the journal's heads outside this host: a watchdog. A journal alone cannot tell that it was rolled back or
    /// written anew; what is remembered can. It is asked at start, and where a release waits for it.
    pub struct Witness {
        /// The watchdog's address for this system, `/witness/NAME` on it.
        url: Option<Url>, absent "https://watch.example.com:8081/witness/demo";
        /// A file that `failstop-watchdog witness export` wrote, instead.
        file: Option<PathBuf>, absent "witness.json";
        /// Authorities that are trusted for it beside the usual ones, PEM.
        ca_file: Option<PathBuf>, absent "watchdog-ca.pem";
        /// How long it may take to answer.
        timeout: Duration, default "10s", within("1s", "60s");
        /// Whether `resume` and `kill-switch release` take effect only when the watchdog has acknowledged the order's record.
        /// A file acknowledges nothing.
        two_key: bool, default true;
        /// How long a release waits for that. The watchdog looks once a minute, unless it holds a stream.
        two_key_wait: Duration, default "3m", within("5s", "10m");
    }
}

impl Consistent for Witness {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.url.is_some() && self.file.is_some() {
            let message = format!("{} has both `url` and `file`", places.label);
            reading.refuse(Kind::Contradiction, &places.first_of(&["file"]), message, "keep one of them");
        }
    }
}

impl Witness {
    /// Where what is remembered is to be had, if anywhere.
    pub fn source(&self) -> Option<String> {
        let file = || self.file.as_ref().map(|file| file.to_string_lossy().into_owned());
        self.url.as_ref().map(ToString::to_string).or_else(file)
    }

    /// How long a release waits for its acknowledgement, where it does.
    pub fn second_key(&self) -> Option<Duration> {
        (self.two_key && self.url.is_some()).then_some(self.two_key_wait)
    }
}
