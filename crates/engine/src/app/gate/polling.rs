//! Prices that the engine asks for itself: each counts as if a bot had said it.

use super::super::engine::Engine;
use crate::clock;
use crate::price_poller::{Came, Outcome};

impl Engine {
    /// A page was asked for a price.
    pub(in crate::app) fn polled(&mut self, came: Came) {
        let now = clock::now();
        // Without a gate nothing is asked.
        let Some(desk) = &mut self.desk else { return };
        let mut taken = None;
        let outcome = self.polls.ended(now, came, |price, took| {
            let told = desk.take(now, price.fact(took)).map_err(|why| why.to_string())?;
            desk.quotes.take_polled(price, now, took);
            taken = Some(told);
            Ok(())
        });
        if let Some(taken) = taken {
            self.record_taken(taken);
            self.results_may_have_changed(now, false);
        }
        match outcome {
            Outcome::Price { price, news: true } => {
                self.say("prices", &format!("\"{}\" says prices of {}", price.source, price.instrument));
            }
            Outcome::Failed { words, news: true } => self.say("prices", &words),
            Outcome::Failed { words, news: false } => tracing::debug!(words, "no price"),
            Outcome::Price { news: false, .. } | Outcome::Nothing => {}
        }
    }
}
