//! One source that is asked for its price: what is asked, and what is read out of the page that comes.

use super::number::{NotANumber, TimeForm, decimal};
use super::path::{Missing, Path};
use crate::config::{Header, Page, Probe};
use core::time::Duration;
use failstop_core::gate::{Fact, GateTime, Quoted};
use failstop_settings::Url;
use std::path::PathBuf;

/// How much of a page is read at most, bytes. Venues that list all their instruments at once write some hundred thousand.
pub const PAGE_MAX: usize = 1024 * 1024;

/// A source that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The source's name, one of the instrument's.
    pub source: String,
    /// Which instrument it prices.
    pub instrument: String,
    /// What is asked.
    pub url: Url,
    /// Further authorities for TLS.
    pub ca_file: Option<PathBuf>,
    /// What is sent with it.
    pub headers: Vec<Header>,
    /// Between the beginnings of two tries.
    pub interval: Duration,
    /// How long a try may take.
    pub timeout: Duration,
    /// Where the price stands.
    pub price: Where,
    /// Where the page says of when it is, and how it writes that.
    pub time: Option<(Path, TimeForm)>,
}

/// Where in the page a price stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// Both sides of the book.
    BidAsk {
        /// What is bid.
        bid: Path,
        /// What is asked.
        ask: Path,
    },
    /// The last trade.
    Last(Path),
}

/// A price that a source said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Which source.
    pub source: String,
    /// Of which instrument.
    pub instrument: String,
    /// The price, to the last digit.
    pub quote: Quote,
    /// Of when it is.
    pub time: Option<GateTime>,
}

/// A price as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quote {
    /// Both sides of the book.
    BidAsk {
        /// What is bid.
        bid: String,
        /// What is asked.
        ask: String,
    },
    /// The last trade.
    Last(String),
}

impl Polled {
    /// As the gate is told it; `took`: how long the page took.
    pub fn fact(&self, took: Duration) -> Fact<'_> {
        let quote = match &self.quote {
            Quote::BidAsk { bid, ask } => Quoted::BidAsk { bid, ask },
            Quote::Last(last) => Quoted::Last(last),
        };
        Fact::PriceAsked { source: &self.source, instrument: &self.instrument, quote, time: self.time, took }
    }
}

/// A page without a price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is no text.
    #[error("answers with something that is no text in UTF-8")]
    NotText,
    /// Something is not where it should be.
    #[error("{0}; correct the path")]
    Missing(#[from] Missing),
    /// It is no number.
    #[error("what stands at {path} {why}: {found}")]
    NotANumber {
        /// Where.
        path: String,
        /// What it is instead.
        why: NotANumber,
        /// What it is, as far as it is short.
        found: String,
    },
    /// It is no time of the form that was said.
    #[error("what stands at {path} is no time of that form: {found}")]
    NotATime {
        /// Where.
        path: String,
        /// What it is, as far as it is short.
        found: String,
    },
}

/// The longest text of a page that is repeated, in characters.
const FOUND_MAX: usize = 40;

impl Poll {
    /// What the prober asks.
    pub fn probe(&self) -> Probe {
        Probe::Page(Page {
            url: self.url.clone(),
            ca_file: self.ca_file.clone(),
            headers: self.headers.clone(),
            most: PAGE_MAX,
        })
    }

    /// The price that a page says.
    ///
    /// # Errors
    /// [`Unread`]
    pub fn read(&self, body: &[u8]) -> Result<Polled, Unread> {
        let page = core::str::from_utf8(body).map_err(|_| Unread::NotText)?;
        let number = |path: &Path| {
            let found = path.find(page)?;
            decimal(found).map_err(|why| Unread::NotANumber { path: path.to_string(), why, found: short(found) })
        };
        let quote = match &self.price {
            Where::BidAsk { bid, ask } => Quote::BidAsk { bid: number(bid)?, ask: number(ask)? },
            Where::Last(last) => Quote::Last(number(last)?),
        };
        let time = match &self.time {
            Some((path, form)) => {
                let found = path.find(page)?;
                let time = form.read(found);
                Some(time.ok_or_else(|| Unread::NotATime { path: path.to_string(), found: short(found) })?)
            }
            None => None,
        };
        Ok(Polled { source: self.source.clone(), instrument: self.instrument.clone(), quote, time })
    }
}

/// What a page says, short and on one line.
fn short(text: &str) -> String {
    crate::masking::shortened(text, FOUND_MAX)
}
