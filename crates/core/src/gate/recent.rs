//! Orders of the last moments: whether the same one comes again, and whether somebody runs in circles.

use crate::gate::index::Index;
use crate::gate::order::{Content, Side};
use crate::gate::time::GateTime;
use core::time::Duration;

/// How many orders of the last moments are remembered. While this many are within their windows, no more are allowed that open or
/// add to something.
pub const MAX_RECENT: usize = 1_024;

/// Within what span openings on one side of one instrument are counted as running in circles.
pub const CIRCLE_WITHIN: Duration = Duration::from_secs(60);

/// The longest `duplicate_window` that can be told apart: an hour.
pub const MAX_DUPLICATE_WINDOW: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: GateTime,
    client: u64,
    content: Content,
    opening: bool,
    given_back: bool,
}

/// The orders that were allowed lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recent {
    /// The `n`th order ever stands in place `n % MAX_RECENT`.
    entries: Vec<Entry>,
    /// How many there were ever.
    added: usize,
    /// By content.
    contents: Index,
    /// By circle: how many openings there are among the orders from `circling` on.
    circles: Vec<u16>,
    /// The first order that was within a circle's span when the last one was added.
    circling: usize,
    instruments: usize,
}

impl Recent {
    pub fn new(components: usize, instruments: usize) -> Self {
        Self {
            entries: Vec::with_capacity(MAX_RECENT),
            added: 0,
            contents: Index::new(MAX_RECENT),
            circles: vec![0; (components + 1) * instruments * 2],
            circling: 0,
            instruments,
        }
    }

    /// Whether the same order was allowed within `window`, and still stands.
    pub fn repeats(&self, at: GateTime, content: &Content, window: Duration) -> bool {
        let alike = self.contents.places(content.number()).filter_map(|place| self.entries.get(place));
        let mut within = alike.take_while(|entry| at.since(entry.at) < window);
        within.any(|entry| entry.content == *content && !entry.given_back)
    }

    /// How many openings were allowed in the same circle lately: by one component on one side of one instrument. Also those that came
    /// to nothing, since that is what a bot that runs in circles looks like.
    pub fn circled(&self, at: GateTime, content: &Content) -> usize {
        let circle = self.circle(content);
        let counted = self.circles.get(circle).copied().map_or(0, usize::from);
        let orders = (self.circling..self.added).map_while(|order| self.order(order));
        let over = orders.take_while(|entry| at.since(entry.at) >= CIRCLE_WITHIN);
        counted - over.filter(|entry| entry.opening && self.circle(&entry.content) == circle).count()
    }

    /// Whether one more would push out one that is still within this span.
    pub fn is_full(&self, at: GateTime, span: Duration) -> bool {
        let oldest = self.added.checked_sub(MAX_RECENT).and_then(|order| self.order(order));
        oldest.is_some_and(|oldest| at.since(oldest.at) < span)
    }

    pub fn add(&mut self, at: GateTime, client: u64, content: Content, opening: bool) {
        let entry = Entry { at, client, content, opening, given_back: false };
        let place = self.added % MAX_RECENT;
        self.end_circles(at);
        match self.entries.get_mut(place) {
            Some(oldest) => {
                *oldest = entry;
                self.contents.remove(place);
            }
            None => self.entries.push(entry),
        }
        self.contents.add(content.number(), place);
        self.added += 1;
        if opening {
            let circle = self.circle(&content);
            if let Some(counted) = self.circles.get_mut(circle) {
                *counted += 1;
            }
        }
    }

    /// Counts no longer what is over, or must give way to one more.
    fn end_circles(&mut self, at: GateTime) {
        while let Some(entry) = self.order(self.circling).filter(|_| self.circling < self.added) {
            if at.since(entry.at) < CIRCLE_WITHIN && self.added - self.circling < MAX_RECENT {
                break;
            }
            let (circle, opening) = (self.circle(&entry.content), entry.opening);
            if let Some(counted) = self.circles.get_mut(circle).filter(|_| opening) {
                *counted -= 1;
            }
            self.circling += 1;
        }
    }

    /// An order came to nothing: the same one may come again.
    pub fn give_back(&mut self, client: u64) {
        let newest = (0..self.entries.len()).map(|age| (self.added - 1 - age) % MAX_RECENT);
        let mut newest = newest.filter(|place| self.entries.get(*place).is_some_and(|entry| entry.client == client));
        if let Some(entry) = newest.next().and_then(|place| self.entries.get_mut(place)) {
            entry.given_back = true;
        }
    }

    fn order(&self, order: usize) -> Option<&Entry> {
        self.entries.get(order % MAX_RECENT)
    }

    /// Components that are none count as the first.
    fn circle(&self, content: &Content) -> usize {
        let component = content.component.map_or(0, |index| usize::from(index) + 1);
        (component * self.instruments + content.instrument) * 2 + usize::from(content.side == Side::Sell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::order::{Kind, Placed, ShortText};

    fn content(component: Option<u8>, instrument: usize, side: Side, quantity: u128) -> Content {
        let placed = Placed {
            client: ShortText::of("x").unwrap(),
            component,
            user: None,
            account: 0,
            instrument,
            kind: Kind::Entry,
            side,
            quantity,
            price: None,
            leverage: None,
            paper: false,
        };
        placed.content()
    }

    /// Against plain loops over everything that was ever added, past the most that are remembered and with pauses of all lengths.
    #[test]
    fn it_answers_as_a_list_of_the_last_orders_does() {
        let mut recent = Recent::new(1, 2);
        let mut list: Vec<(u64, Content, bool, bool)> = Vec::new();
        let (mut dice, mut now) = (3u64, 1_800_000_000_000_000u64);
        for client in 1..6_000u64 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let roll = |bits: u32, below: u64| (dice >> bits) % below;
            now += match roll(33, 40) {
                0 => 60_000_000,
                1 => 59_999_999,
                2 => 1_000_000,
                _ => roll(40, 60_000),
            };
            let at = GateTime::from_micros(now);
            let component = (roll(20, 2) == 0).then_some(0);
            let side = if roll(22, 2) == 0 { Side::Buy } else { Side::Sell };
            let asked = content(component, usize::try_from(roll(24, 2)).unwrap(), side, 1 + u128::from(roll(26, 3)));
            for window in [0, 1_000, 1_000_000, 90_000_000] {
                let window = Duration::from_micros(window);
                let last = list.iter().rev().take(MAX_RECENT);
                let mut within = last.clone().take_while(|(then, ..)| Duration::from_micros(now - then) < window);
                let repeated = within.any(|(_, other, _, back)| *other == asked && !back);
                assert_eq!(recent.repeats(at, &asked, window), repeated);
                let oldest = list.len().checked_sub(MAX_RECENT).map(|order| list[order].0);
                let full = oldest.is_some_and(|then| Duration::from_micros(now - then) < window);
                assert_eq!(recent.is_full(at, window), full);
            }
            let last = list.iter().rev().take(MAX_RECENT);
            let within = last.take_while(|(then, ..)| Duration::from_micros(now - then) < CIRCLE_WITHIN);
            let circled = within.filter(|(_, other, opening, _)| {
                *opening
                    && (other.component, other.instrument, other.side)
                        == (asked.component, asked.instrument, asked.side)
            });
            assert_eq!(recent.circled(at, &asked), circled.count(), "{client}");
            match roll(28, 4) {
                // It was only asked about.
                0 => {}
                1 if !list.is_empty() => {
                    let back = list.len() - 1 - usize::try_from(roll(44, 50)).unwrap().min(list.len() - 1);
                    list[back].3 = true;
                    recent.give_back(u64::try_from(back).unwrap());
                }
                other => {
                    recent.add(at, u64::try_from(list.len()).unwrap(), asked, other == 3);
                    list.push((now, asked, other == 3, false));
                }
            }
        }
        assert!(list.len() > 2 * MAX_RECENT);
    }
}
