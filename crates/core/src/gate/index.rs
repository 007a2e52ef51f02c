//! Where things stand that are found by a number made of their name or content: chains from fixed heads, so that finding and adding do
//! not grow with how many there are, and allocate nothing once every place was used. Two names may share a number: whoever looks
//! compares what stands there.

/// The end of a chain. No place has this number.
const END: u16 = u16::MAX;

/// The places of a fixed table, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    /// The place that was added last to each chain.
    heads: Box<[u16]>,
    /// By place: its number, and the place that was added before it to the same chain.
    links: Vec<(u64, u16)>,
}

impl Index {
    /// For `places` places, below 65 535: two chains for each, so that a chain is short.
    pub fn new(places: usize) -> Self {
        Self { heads: vec![END; 2 * places.next_power_of_two()].into_boxed_slice(), links: Vec::with_capacity(places) }
    }

    /// The places with this number, the one added last first.
    pub fn places(&self, number: u64) -> impl Iterator<Item = usize> {
        let mut next = self.heads.get(self.chain(number)).copied().unwrap_or(END);
        core::iter::from_fn(move || {
            loop {
                let place = usize::from(next);
                let (other, before) = *self.links.get(place)?;
                next = before;
                if other == number {
                    return Some(place);
                }
            }
        })
    }

    /// Adds a place, which stands in no chain.
    pub fn add(&mut self, number: u64, place: usize) {
        let chain = self.chain(number);
        let (Ok(short), Some(head)) = (u16::try_from(place), self.heads.get_mut(chain)) else { return };
        if self.links.len() <= place {
            self.links.resize(place + 1, (0, END));
        }
        if let Some(link) = self.links.get_mut(place) {
            *link = (number, *head);
            *head = short;
        }
    }

    /// Takes a place out of its chain.
    pub fn remove(&mut self, place: usize) {
        let Some(&(number, before)) = self.links.get(place) else { return };
        let chain = self.chain(number);
        let Some(head) = self.heads.get_mut(chain) else { return };
        if usize::from(*head) == place {
            *head = before;
            return;
        }
        let mut next = usize::from(*head);
        while let Some((_, link)) = self.links.get_mut(next) {
            if usize::from(*link) == place {
                *link = before;
                return;
            }
            next = usize::from(*link);
        }
    }

    fn chain(&self, number: u64) -> usize {
        let mask = self.heads.len() - 1;
        usize::try_from(number & u64::try_from(mask).unwrap_or(0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a plain list, with numbers that share chains and places that share numbers.
    #[test]
    fn it_finds_what_was_added_and_not_removed_the_last_first() {
        let mut index = Index::new(8);
        let mut list: Vec<(u64, usize)> = Vec::new();
        let mut dice = 7u64;
        for _ in 0..10_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (place, number) = (usize::try_from((dice >> 60) & 7).unwrap(), (dice >> 50) & 3 | (dice >> 40) & 16);
            match list.iter().position(|(_, other)| *other == place) {
                Some(found) => {
                    index.remove(place);
                    list.remove(found);
                }
                None => {
                    index.add(number, place);
                    list.push((number, place));
                }
            }
            for number in 0..32 {
                let listed = list.iter().rev().filter(|(other, _)| *other == number).map(|(_, place)| *place);
                assert!(index.places(number).eq(listed), "{number}");
            }
        }
    }
}
