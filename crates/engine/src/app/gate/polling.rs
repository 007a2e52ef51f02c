//! Prices that the engine asks for itself: each counts as if a bot had said it.

use super::super::engine::Engine;
use crate::clock;
use crate::price_poller::{Outcome, Polled, Quote};
use crate::probing::Tried;
use failstop_client::wire;

impl Engine {
    /// A page was asked for a price.
    pub(in crate::app) fn polled(&mut self, tried: Tried) {
        let now = clock::now();
        match self.polls.ended(now, tried) {
            Outcome::Price { price, took, news } => {
                let Some(desk) = &mut self.desk else { return };
                match desk.take(now, price.fact(took)) {
                    Ok(taken) => {
                        desk.quotes.take(&as_said(&price), now);
                        self.record_taken(taken);
                        self.results_may_have_changed(now, false);
                        if news {
                            self.say("prices", &format!("\"{}\" says prices of {}", price.source, price.instrument));
                        }
                    }
                    Err(error) => {
                        if let Some(words) = self.polls.not_taken(&price, &error.to_string()) {
                            self.say("prices", &words);
                        }
                    }
                }
            }
            Outcome::Failed { words, news: true } => self.say("prices", &words),
            Outcome::Failed { words, news: false } => tracing::debug!(words, "no price"),
            Outcome::Nothing => {}
        }
    }
}

/// The same as a bot says it.
fn as_said(price: &Polled) -> wire::Price {
    let (bid, ask, last) = match &price.quote {
        Quote::BidAsk { bid, ask } => (Some(bid.clone()), Some(ask.clone()), None),
        Quote::Last(last) => (None, None, Some(last.clone())),
    };
    wire::Price { source: price.source.clone(), instrument: price.instrument.clone(), bid, ask, last, time: None }
}
