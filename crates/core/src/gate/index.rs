//! Where things stand that are found by a number made of their name or content: chains from fixed heads, so that finding and adding do
//! not grow with how many there are, and allocate nothing once every place was used. Two names may share a number: whoever looks
//! compares what stands there.

use crate::gate::order::{ShortText, fingerprint};

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

/// What is found by a name of its own.
pub(crate) trait Name {
    fn name(&self) -> &ShortText;
}

/// Things with a name each, in places that never move. Two are equal where the same stands in the same places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named<T> {
    most: usize,
    places: Vec<Option<T>>,
    free: Vec<usize>,
    /// By the fingerprint of the name.
    names: Index,
}

impl<T: Name> Named<T> {
    /// For `most` of them, below 65 535.
    pub fn new(most: usize) -> Self {
        Self { most, places: Vec::new(), free: Vec::new(), names: Index::new(most) }
    }

    /// The same, with the memory for all of them: adding never allocates.
    pub fn with_room(most: usize) -> Self {
        Self { places: Vec::with_capacity(most), free: Vec::with_capacity(most), ..Self::new(most) }
    }

    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    /// All of them, each with its place.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.places.iter().enumerate().filter_map(|(place, thing)| Some((place, thing.as_ref()?)))
    }

    pub fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    /// Where the one with this name stands.
    pub fn place(&self, name: &ShortText) -> Option<usize> {
        self.find(name.print(), name.as_bytes())
    }

    /// The same by a text that may be no name.
    pub fn place_of(&self, name: &str) -> Option<usize> {
        self.find(fingerprint(name), name.as_bytes())
    }

    fn find(&self, print: u64, name: &[u8]) -> Option<usize> {
        let is_it = |place: &usize| self.get(*place).is_some_and(|thing| thing.name().as_bytes() == name);
        self.names.places(print).find(is_it)
    }

    /// Adds one. Gives its place; `None` where there is no room, or its name stands already.
    pub fn add(&mut self, thing: T) -> Option<usize> {
        if self.is_full() || self.place(thing.name()).is_some() {
            return None;
        }
        let place = self.free.pop().unwrap_or(self.places.len());
        self.names.add(thing.name().print(), place);
        match self.places.get_mut(place) {
            Some(free) => *free = Some(thing),
            None => self.places.push(Some(thing)),
        }
        Some(place)
    }

    /// Takes one out of its place.
    pub fn remove(&mut self, place: usize) -> Option<T> {
        let thing = self.places.get_mut(place)?.take()?;
        self.names.remove(place);
        self.free.push(place);
        Some(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Thing(ShortText, usize);

    impl Name for Thing {
        fn name(&self) -> &ShortText {
            &self.0
        }
    }

    /// Against a plain list: more names than there is room for.
    #[test]
    fn what_has_a_name_stands_where_it_was_put_until_it_is_taken_out() {
        let mut named = Named::new(5);
        let mut list: Vec<(usize, Thing)> = Vec::new();
        let mut dice = 7u64;
        for round in 0..5_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let name = ShortText::of(&format!("name-{}", (dice >> 40) & 7)).unwrap();
            let known = list.iter().position(|(_, thing)| thing.0 == name);
            match (known, (dice >> 50) & 1) {
                (Some(known), 0) => {
                    let (place, thing) = list.remove(known);
                    assert_eq!((named.remove(place), named.remove(place)), (Some(thing), None));
                }
                (known, _) => {
                    let added = named.add(Thing(name, round));
                    assert_eq!(added.is_some(), known.is_none() && list.len() < 5);
                    list.extend(added.map(|place| (place, Thing(name, round))));
                }
            }
            assert_eq!((named.len(), named.is_full()), (list.len(), list.len() == 5));
            for number in 0..8 {
                let name = ShortText::of(&format!("name-{number}")).unwrap();
                let listed = list.iter().find(|(_, thing)| thing.0 == name);
                let place = listed.map(|(place, _)| *place);
                assert_eq!((named.place(&name), named.place_of(name.as_str())), (place, place));
                assert_eq!(place.and_then(|place| named.get(place)), listed.map(|(_, thing)| thing));
            }
            list.sort_by_key(|(place, _)| *place);
            assert!(named.iter().eq(list.iter().map(|(place, thing)| (*place, thing))));
        }
    }

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
