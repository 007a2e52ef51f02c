//! What was seen once, remembered in a fixed place: fingerprints in two generations. At least the last [`Seen::new`] `generation`
//! ones are remembered and at most twice as many; nothing allocates after the first.

/// Fingerprints that were seen.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    young: Table,
    old: Table,
    generation: usize,
}

/// Open addressing without removal: a generation ends as a whole.
#[derive(Clone, PartialEq, Eq)]
struct Table {
    places: Box<[u64]>,
    taken: usize,
}

impl core::fmt::Debug for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Seen({} + {})", self.young.taken, self.old.taken)
    }
}

impl Seen {
    /// Remembers at least the last `generation` (a power of two).
    pub fn new(generation: usize) -> Self {
        Self { young: Table::new(generation), old: Table::new(generation), generation }
    }

    /// Whether it was seen.
    pub fn has(&self, print: u64) -> bool {
        self.young.has(print) || self.old.has(print)
    }

    /// Sees it.
    pub fn add(&mut self, print: u64) {
        if self.young.has(print) {
            return;
        }
        if self.young.taken == self.generation {
            core::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.add(print);
    }
}

impl Table {
    /// Twice as many places as fingerprints, so that a search is short.
    fn new(generation: usize) -> Self {
        Self { places: vec![0; 2 * generation.next_power_of_two()].into_boxed_slice(), taken: 0 }
    }

    fn clear(&mut self) {
        self.places.fill(0);
        self.taken = 0;
    }

    /// The place of a fingerprint: where it is, or where it would go.
    fn place(&self, print: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut place = usize::try_from(print & u64::try_from(mask).unwrap_or(0)).unwrap_or(0);
        while self.places.get(place).is_some_and(|other| *other != 0 && *other != print) {
            place = (place + 1) & mask;
        }
        place
    }

    fn has(&self, print: u64) -> bool {
        self.places.get(self.place(print)) == Some(&print)
    }

    fn add(&mut self, print: u64) {
        let place = self.place(print);
        if let Some(slot) = self.places.get_mut(place) {
            *slot = print;
            self.taken += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_generation_is_remembered_and_the_one_before_last_is_not() {
        let mut seen = Seen::new(4);
        for print in 1..=100u64 {
            assert!(!seen.has(print));
            seen.add(print);
            seen.add(print);
            let from = print.saturating_sub(3).max(1);
            assert!((from..=print).all(|print| seen.has(print)), "{print}");
            let kept = (1..=print).filter(|print| seen.has(*print)).count();
            assert!(kept <= 8, "{print}: {kept}");
        }
    }
}
