//! `[gate]` and `[prices]`: whether orders are judged, by which limits and by whose prices. Limits of one instrument and of one
//! component stand with those; the policy that the gate decides by is made of all of them (`policy.rs`).

mod bound;
mod limits;
mod policy;
mod poll;
mod shared;

pub use bound::Bound;
pub use limits::{ComponentGate, InstrumentLimits, LimitSection, SystemLimits, UserLimits};
pub(super) use policy::check;
pub use policy::{GateFault, gate_policy};
pub use poll::PricePoll;
pub use shared::{SharedFallback, SharedRates};

use super::books::Symbol;
use failstop_settings::document::Node;
use failstop_settings::setting::{bad_value, text_of, wrong_type};
use failstop_settings::{At, Choice, Consistent, Kind, Places, Reading, Setting, section, within};
use std::time::Duration;

section! {
    /// The gate: each order is judged before it is sent (docs/gate.md). It is there where this section is; without it orders are
    /// refused with NOT_CONFIGURED.
    pub struct Gate {
        /// The currency that limits, equity and results are in. An account's equity is what is reported with `capital` of this asset.
        money: Symbol, required "USDT";
        /// How many decimals that money is counted with; as of its [[asset]], where there is one.
        money_scale: u32, default 2, within("0", "18");
        /// Whether an order is answered only once its intent is on the disk. With false it is answered at once: a crash of the
        /// machine, or of failstop itself, may then lose the intents of the last moments, and with them what they count.
        durable_intents: bool, default true;
        /// When the trading day begins, UTC: daily limits and results begin anew.
        day_starts_at: TimeOfDay, default "00:00";
        /// How old a reported position may be to let something reduce it or to judge by it.
        position_max_age: Duration, default "5m", within("1s", "24h");
        /// How old a reported equity may be.
        equity_max_age: Duration, default "5m", within("1s", "24h");
        /// How long an order waits for its confirmation, and a confirmation for its order.
        confirm_within: Duration, default "2m", within("1s", "1h");
        /// The equity of each account on paper, in money. Absent: what was reported last of the account itself.
        paper_equity: Option<String>, absent "10000";
        /// Limits on everybody together.
        limits: SystemLimits, default {};
        /// Limits on each user.
        user: UserLimits, default {};
    }
}

impl Consistent for Gate {}

section! {
    /// Prices that orders are judged by.
    pub struct Prices {
        /// Where the prices of instruments come from that name no sources of their own, as `price` messages name them.
        sources: Option<Vec<Symbol>>, absent ["kraken"];
        /// How many fresh sources must agree, unless an instrument says otherwise.
        required: u32, default 1, within("1", "16");
        /// How old a price may be, by its arrival.
        max_age: Duration, default "5s", within("100ms", "5m");
        /// How far a source may be from the median of the fresh ones before it is left out, as a fraction of one.
        deviation: Bound, default "0.005";
        /// Pages that are asked for prices: each a [[prices.poll]].
        poll: Vec<PricePoll>, default [];
    }
}

impl Consistent for Prices {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.deviation.share().is_none_or(|share| share > failstop_core::gate::SHARE_ONE) {
            reading.refuse(
                Kind::BadValue,
                &places.first_of(&["deviation"]),
                format!("`deviation` in {} is a fraction of one, at most 1, with at most six decimals", places.label),
                "write for example \"0.005\" for half a per cent",
            );
        }
        if self.sources.as_ref().map_or(0, Vec::len) > failstop_core::gate::MAX_SOURCES {
            let message = format!("{} has more than {} sources", places.label, failstop_core::gate::MAX_SOURCES);
            reading.refuse(Kind::OutOfRange, &places.first_of(&["sources"]), message, "remove some");
        }
    }
}

/// A time of the day, UTC, in whole minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// After midnight.
    pub const fn after_midnight(self) -> Duration {
        Duration::from_secs(self.0 as u64 * 60)
    }
}

impl Setting for TimeOfDay {
    const WANTED: &'static str = "a time of the day (UTC), like \"00:00\" or \"22:30\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            wrong_type(node, at, reading, None);
            return None;
        };
        let two = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten();
        let time = text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            (hours < 24 && minutes < 60).then_some(Self(hours * 60 + minutes))
        });
        if time.is_none() {
            bad_value(node, at, reading, &text, None);
        }
        time
    }
}

/// What one of an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractKind {
    /// Worth its size times the price, in the currency of the price.
    Linear,
    /// Worth so much in the currency of the price, and settled in the underlying.
    Inverse,
}

impl Choice for ContractKind {
    const WORDS: &'static [(&'static str, Self)] = &[("linear", Self::Linear), ("inverse", Self::Inverse)];
    const WANTED: &'static str = "\"linear\" or \"inverse\"";
}

/// What stands behind a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarginKind {
    /// Nothing is borrowed.
    Spot,
    /// Its own margin alone.
    Isolated,
    /// The whole equity of the account.
    Cross,
}

impl Choice for MarginKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("spot", Self::Spot), ("isolated", Self::Isolated), ("cross", Self::Cross)];
    const WANTED: &'static str = "\"spot\", \"isolated\" or \"cross\"";
}
