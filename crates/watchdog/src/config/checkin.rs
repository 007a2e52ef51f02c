//! `[[checkin]]`: jobs that check in.

use crate::heart::schedule::Cron;
use failstop_notify::Severity;
use failstop_settings::{Consistent, Kind, Name, Places, Reading, Secret, exactly_one, section, within};
use jiff::tz::TimeZone;
use std::time::Duration;

section! {
    /// A job that checks in at /ping/NAME (also /start, /fail, /log, and /0 to /255 for an exit status). Exactly one of period
    /// and cron.
    pub struct CheckIn {
        /// Its name, as in its URL.
        name: Name, required "nightly-verify";
        /// It checks in this often.
        period: Option<Duration>, absent "24h", within("1s", "8784h");
        /// It checks in by this calendar: minute, hour, day, month, weekday.
        cron: Option<String>, absent "0 3 * * *";
        /// The calendar's time zone.
        timezone: String, default "UTC";
        /// How late it may be.
        grace: Duration, default "30m", within("0s", "168h");
        /// How long a run may take after its start signal. Absent: not judged.
        max_runtime: Option<Duration>, absent "2h", within("1s", "168h");
        /// How bad it is when it is late or fails.
        severity: Severity, default "critical";
        /// Its URL must carry ?token=..., so that strangers cannot check in for it.
        token: Option<Secret>, absent { file = "secrets/nightly-verify" };
    }
}

impl Consistent for CheckIn {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        exactly_one(
            &[("period", self.period.is_some()), ("cron", self.cron.is_some())],
            "period = \"24h\"",
            places,
            reading,
        );
        if let Some(cron) = &self.cron
            && let Err(error) = cron.parse::<Cron>()
        {
            reading.refuse(
                Kind::BadValue,
                &places.first_of(&["cron"]),
                format!("`cron` in {}: {error}", places.label),
                "write for example \"0 3 * * *\"",
            );
        }
        if let Err(error) = TimeZone::get(&self.timezone) {
            let message = format!("`timezone` in {}: {error}", places.label);
            reading.refuse(
                Kind::BadValue,
                &places.first_of(&["timezone"]),
                message,
                "write a name of the time zone database, like \"Europe/Berlin\"",
            );
        }
        if self.period.is_some() && self.timezone != "UTC" {
            reading.notice(
                Kind::Contradiction,
                &places.first_of(&["timezone"]),
                format!("`timezone` in {} goes with `cron`", places.label),
                "a period follows no calendar",
            );
        }
    }
}
