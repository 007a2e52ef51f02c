//! Orders that stay on paper: filled at once where the market would fill them, by the side of the book that they take, or the last
//! price where that is all that a source says. What would rest at the venue rests here, until the bot says what became of it.

use crate::price_poller::{Polled, Quote as Said};
use failstop_amount::{Amount, Scale};
use failstop_client::wire::{self, PaperFill};
use failstop_core::Monotonic;
use failstop_core::gate::{FeedHealth, GatePolicy, SourceState};
use std::time::Duration;

/// What one source said last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quote {
    bid: Amount,
    ask: Amount,
    at: Monotonic,
}

/// What every source of every instrument said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotes {
    instruments: Vec<Instrument>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Instrument {
    name: String,
    scale: Scale,
    sources: Vec<(String, Option<Quote>)>,
}

impl Quotes {
    /// Places for everything that the policy declares.
    pub fn of(policy: &GatePolicy) -> Self {
        let instruments = policy.instruments.iter().map(|instrument| Instrument {
            name: instrument.name.clone(),
            scale: instrument.price,
            sources: instrument.sources.iter().map(|source| (source.clone(), None)).collect(),
        });
        Self { instruments: instruments.collect() }
    }

    /// Keeps a price that the gate took.
    pub fn take(&mut self, price: &wire::Price, at: Monotonic) {
        let Some(instrument) = self.instruments.iter_mut().find(|known| known.name == price.instrument) else { return };
        let scale = instrument.scale;
        let read = |text: &Option<String>| text.as_deref().and_then(|text| Amount::parse(text, scale).ok());
        let (bid, ask) = match (read(&price.bid), read(&price.ask), read(&price.last)) {
            (Some(bid), Some(ask), _) => (bid, ask),
            (_, _, Some(last)) => (last, last),
            (_, _, None) => return,
        };
        if let Some((_, quote)) = instrument.sources.iter_mut().find(|(source, _)| *source == price.source) {
            *quote = Some(Quote { bid, ask, at });
        }
    }

    /// The same of a page that took so long: the price on it may be that old already.
    pub fn take_polled(&mut self, price: &Polled, now: Monotonic, took: Duration) {
        let (bid, ask, last) = match &price.quote {
            Said::BidAsk { bid, ask } => (Some(bid.clone()), Some(ask.clone()), None),
            Said::Last(last) => (None, None, Some(last.clone())),
        };
        let (source, instrument) = (price.source.clone(), price.instrument.clone());
        self.take(&wire::Price { source, instrument, bid, ask, last, time: None }, now.minus(took));
    }

    /// How an order is filled on paper, by the youngest price of a source that is fresh and agrees; `None` where it would rest, or no
    /// price is good enough.
    pub fn fill(&self, order: &wire::Order, feed: &FeedHealth, now: Monotonic, max_age: Duration) -> Option<PaperFill> {
        let instrument = self.instruments.iter().find(|known| known.name == order.instrument)?;
        let good =
            |name: &str| feed.sources.iter().any(|source| source.name == name && source.state == SourceState::Good);
        let quote = instrument
            .sources
            .iter()
            .filter(|(name, _)| good(name))
            .filter_map(|(_, quote)| quote.as_ref())
            .filter(|quote| now.since(quote.at) <= max_age)
            .max_by_key(|quote| quote.at)?;
        let market = match order.side {
            wire::Side::Buy => quote.ask,
            wire::Side::Sell => quote.bid,
        };
        if let Some(limit) = &order.price {
            let limit = Amount::parse(limit, instrument.scale).ok()?;
            let takes = match order.side {
                wire::Side::Buy => limit.units() >= market.units(),
                wire::Side::Sell => limit.units() <= market.units(),
            };
            if !takes {
                return None;
            }
        }
        Some(PaperFill { quantity: order.quantity.clone(), price: market.to_string() })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_client::wire::{Order, Price, Side};
    use failstop_core::gate::SourceView;

    fn quotes() -> Quotes {
        let scale = Scale::new(2).unwrap();
        let sources = ["a", "b"].map(|name| (name.to_owned(), None)).to_vec();
        Quotes { instruments: vec![Instrument { name: "B".to_owned(), scale, sources }] }
    }

    fn feed(a: SourceState, b: SourceState) -> FeedHealth {
        let source = |name: &str, state| SourceView {
            name: name.to_owned(),
            price: None,
            age: None,
            state,
            taken: 0,
            refused: 0,
        };
        FeedHealth {
            instrument: "B".to_owned(),
            price: None,
            fresh: true,
            required: 1,
            sources: vec![source("a", a), source("b", b)],
        }
    }

    const NOW: Monotonic = Monotonic::from_nanos(10_000_000_000);
    const AGE: Duration = Duration::from_secs(5);

    fn price_of(quotes: &Quotes, order: &Order, feed: &FeedHealth) -> Option<String> {
        quotes.fill(order, feed, NOW, AGE).map(|fill| fill.price)
    }

    #[test]
    fn an_order_is_filled_by_the_side_that_it_takes() {
        let mut quotes = quotes();
        let good = feed(SourceState::Good, SourceState::Good);
        let buy = Order::market("c", "m", "B", Side::Buy, "1");
        let sell = Order::market("c", "m", "B", Side::Sell, "1");
        assert_eq!(price_of(&quotes, &buy, &good), None, "there is no price yet");
        quotes.take(&Price::bid_ask("a", "B", "9.5", "10.5"), NOW);
        assert_eq!(price_of(&quotes, &buy, &good).as_deref(), Some("10.50"));
        assert_eq!(price_of(&quotes, &sell, &good).as_deref(), Some("9.50"));
        for (order, filled) in [
            (buy.clone().at("10.5"), true),
            (buy.clone().at("10.49"), false),
            (sell.clone().at("9.50"), true),
            (sell.at("9.51"), false),
        ] {
            assert_eq!(price_of(&quotes, &order, &good).is_some(), filled, "{order:?}");
        }
        // The younger one counts, and the last price where that is all.
        quotes.take(&Price::last("b", "B", "20"), NOW.plus(Duration::from_nanos(1)));
        let later = NOW.plus(Duration::from_secs(1));
        let fill = quotes.fill(&buy, &good, later, AGE).unwrap();
        assert_eq!((fill.price.as_str(), fill.quantity.as_str()), ("20.00", "1"));
        // One that does not agree, or is old, fills nothing.
        assert_eq!(price_of(&quotes, &buy, &feed(SourceState::Good, SourceState::Outlier)).as_deref(), Some("10.50"));
        assert_eq!(quotes.fill(&buy, &good, NOW.plus(Duration::from_secs(6)), AGE), None);
    }

    #[test]
    fn the_price_on_a_page_is_as_old_as_the_page_took() {
        let good = feed(SourceState::Good, SourceState::Good);
        let buy = Order::market("c", "m", "B", Side::Buy, "1");
        let page = Polled {
            source: "a".to_owned(),
            instrument: "B".to_owned(),
            quote: Said::BidAsk { bid: "9.5".to_owned(), ask: "10.5".to_owned() },
            time: None,
        };
        let mut quotes = quotes();
        quotes.take_polled(&page, NOW, Duration::from_secs(3));
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert_eq!(quotes.fill(&buy, &good, at(2), AGE).map(|fill| fill.price).as_deref(), Some("10.50"));
        assert_eq!(quotes.fill(&buy, &good, at(3), AGE), None, "it may be six seconds old");
        // What was said while the page was under way is younger.
        quotes.take(&Price::last("b", "B", "20"), NOW.minus(Duration::from_secs(1)));
        assert_eq!(price_of(&quotes, &buy, &good).as_deref(), Some("20.00"));
    }
}
