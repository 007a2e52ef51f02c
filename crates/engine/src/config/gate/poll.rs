//! `[[prices.poll]]`: pages that are asked for prices.

use crate::config::books::Symbol;
use crate::config::probe::Header;
use crate::price_poller::{Path, Poll, TimeForm, Where};
use failstop_settings::document::Node;
use failstop_settings::{
    At, Choice, Consistent, Kind, Places, Reading, Setting, Url, exactly_one, section, shown, within,
};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// A page that is asked for a price: JSON over HTTP.
    pub struct PricePoll {
        /// The source that it is; one of the instrument's.
        source: Symbol, required "kraken-rest";
        /// The instrument.
        instrument: Symbol, required "BTC/USDT";
        /// What is asked. Redirects are not followed.
        url: Url, required "https://api.kraken.com/0/public/Ticker?pair=XBTUSDT";
        /// Where in the page the bid stands, by names and places; with ask.
        bid: Option<Path>, absent "$.result.XBTUSDT.b[0]";
        /// Where the ask stands.
        ask: Option<Path>, absent "$.result.XBTUSDT.a[0]";
        /// Where the last price stands, instead of bid and ask.
        last: Option<Path>, absent "$.result.XBTUSDT.c[0]";
        /// Where the page says of when it is.
        time: Option<Path>, absent "$.time";
        /// How it writes that.
        time_is: TimeForm, default "milliseconds";
        /// What is sent with it, such as a key.
        headers: Vec<Header>, default [];
        /// Between the beginnings of two tries. With failed ones in a row it doubles, up to a minute.
        interval: Duration, default "2s", within("200ms", "1h");
        /// How long a try may take.
        timeout: Duration, default "2s", within("100ms", "60s");
        /// Authorities that are trusted for it beside the usual ones, PEM.
        ca_file: Option<PathBuf>, absent "ca.pem";
    }
}

impl Consistent for PricePoll {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [("bid", self.bid.is_some() || self.ask.is_some()), ("last", self.last.is_some())];
        exactly_one(&ways, "last = \"$.price\"", places, reading);
        if self.last.is_none() && self.bid.is_some() != self.ask.is_some() {
            let message = format!("{} has one of `bid` and `ask` without the other", places.label);
            let help = "write both; for one price alone write `last`";
            reading.refuse(Kind::Contradiction, &places.first_of(&["bid", "ask"]), message, help);
        }
    }
}

impl Setting for Path {
    const WANTED: &'static str = "a path to one value, like \"$.result.price\" or \"$['a b'][0]\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        match Self::parse(&text) {
            Ok(path) => Some(path),
            Err(error) => {
                let message = format!("{} cannot be \"{}\": {error}", at.name(), shown(&text));
                reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
                None
            }
        }
    }
}

impl Choice for TimeForm {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("seconds", Self::Seconds),
        ("milliseconds", Self::Milliseconds),
        ("microseconds", Self::Microseconds),
        ("nanoseconds", Self::Nanoseconds),
        ("rfc3339", Self::Rfc3339),
    ];
    const WANTED: &'static str =
        "\"seconds\", \"milliseconds\", \"microseconds\", \"nanoseconds\" (since 1970) or \"rfc3339\"";
}

impl PricePoll {
    /// As the poller asks it; `None` where it does not say where the price stands, which was refused.
    pub fn poll(&self) -> Option<Poll> {
        let price = match (&self.bid, &self.ask, &self.last) {
            (_, _, Some(last)) => Where::Last(last.clone()),
            (Some(bid), Some(ask), None) => Where::BidAsk { bid: bid.clone(), ask: ask.clone() },
            (_, _, None) => return None,
        };
        Some(Poll {
            source: self.source.as_str().to_owned(),
            instrument: self.instrument.as_str().to_owned(),
            url: self.url.clone(),
            ca_file: self.ca_file.clone(),
            headers: self.headers.clone(),
            interval: self.interval,
            timeout: self.timeout,
            price,
            time: self.time.clone().map(|path| (path, self.time_is)),
        })
    }
}
