//! The venue's own request budgets, as bots report them.

use std::collections::BTreeMap;

/// The most budgets that are kept.
const USAGES_MAX: usize = 256;

/// What people are told of, in per cent of a budget.
const WARN_PERCENT: u128 = 80;

/// One budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUsage {
    /// How much is used.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
    /// When it begins anew, where that was said: milliseconds since 1970.
    pub resets_at_ms: Option<i64>,
}

impl ApiUsage {
    /// Whether four fifths of it or more are used, and it did not begin anew since.
    pub fn is_nearly_used(&self, now_ms: i64) -> bool {
        let over = self.resets_at_ms.is_some_and(|at| now_ms >= at);
        !over && u128::from(self.used) * 100 >= u128::from(self.limit) * WARN_PERCENT && self.used > 0
    }
}

/// All budgets, by endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiUsages {
    known: BTreeMap<String, ApiUsage>,
}

impl ApiUsages {
    /// Keeps a report; `false` where there are too many budgets already.
    pub fn take(&mut self, endpoint: &str, usage: ApiUsage) -> bool {
        if !self.known.contains_key(endpoint) && self.known.len() >= USAGES_MAX {
            return false;
        }
        self.known.insert(endpoint.to_owned(), usage);
        true
    }

    /// Every budget.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ApiUsage)> {
        self.known.iter().map(|(endpoint, usage)| (endpoint.as_str(), usage))
    }

    /// The budgets that are nearly used, in words; `None` where none is.
    pub fn nearly_used(&self, now_ms: i64) -> Option<String> {
        let nearly: Vec<String> = self
            .iter()
            .filter(|(_, usage)| usage.is_nearly_used(now_ms))
            .map(|(endpoint, usage)| format!("{endpoint} {} of {}", usage.used, usage.limit))
            .collect();
        (!nearly.is_empty()).then(|| nearly.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(used: u64, resets_at_ms: Option<i64>) -> ApiUsage {
        ApiUsage { used, limit: 100, resets_at_ms }
    }

    #[test]
    fn four_fifths_are_nearly_all_until_it_begins_anew() {
        let mut usages = ApiUsages::default();
        assert!(usages.take("orders", usage(79, None)));
        assert_eq!(usages.nearly_used(0), None);
        assert!(usages.take("orders", usage(80, Some(1_000))));
        assert_eq!(usages.nearly_used(999), Some("orders 80 of 100".to_owned()));
        assert!(usages.take("a", usage(100, None)));
        assert_eq!(usages.nearly_used(999), Some("a 100 of 100, orders 80 of 100".to_owned()));
        assert_eq!(usages.nearly_used(1_000), Some("a 100 of 100".to_owned()), "the other begins anew");
    }

    #[test]
    fn there_are_only_so_many() {
        let mut usages = ApiUsages::default();
        for number in 0..USAGES_MAX {
            assert!(usages.take(&number.to_string(), usage(0, None)));
        }
        assert!(!usages.take("one more", usage(0, None)));
        assert!(usages.take("0", usage(1, None)), "a known one is kept");
    }
}
