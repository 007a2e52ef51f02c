//! How the gate stands: limits and what is used of them, prices, results, orders. `failstop status --section risk|rates|feeds`,
//! `GET /api/risk|rates|feeds`, and part of the status. Fields are only ever added.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How the gate stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateStatus {
    /// The currency that money is in.
    pub money: String,
    /// The trading day, as a date.
    pub trading_day: Option<String>,
    /// Whether the figures below are of the paper book: the mode is `dry`.
    pub paper: bool,
    /// Orders that are open, on the exchange and on paper.
    pub open_orders: u64,
    /// Orders that were allowed, in this epoch.
    pub allowed: u64,
    /// Orders that were refused, in this epoch.
    pub refused: u64,
    /// Questions to the limiter that were allowed and refused, in this epoch.
    pub rates_allowed: u64,
    /// See `rates_allowed`.
    pub rates_refused: u64,
    /// How many answers gave each reason, in this epoch; those that none gave are left out.
    pub refusals: BTreeMap<String, u64>,
    /// Records of the journal that name what is not declared any more.
    pub left_out: u64,
    /// The trading day's result, account by account.
    pub results: Vec<AccountResult>,
    /// Every limit that is set, and what is used of it.
    pub limits: Vec<LimitUse>,
    /// How many limits are waived, by scope.
    pub waived: BTreeMap<String, u64>,
    /// Overrides that stand.
    pub overrides: Vec<OverrideEntry>,
    /// Orders that wait for somebody's confirmation.
    pub awaiting: Vec<AwaitingEntry>,
    /// Prices, instrument by instrument.
    pub feeds: Vec<PriceFeed>,
    /// How orders fared.
    pub orders: OrdersFared,
    /// The venue's own request budgets, as bots report them.
    pub api_usage: Vec<ApiUsageEntry>,
    /// How rates are shared with other systems; absent where they are not.
    #[serde(default)]
    pub shared_rates: Option<SharedRatesEntry>,
    /// Pages that are asked for prices.
    #[serde(default)]
    pub polls: Vec<PollEntry>,
}

impl GateStatus {
    /// What `--section risk` and `/api/risk` show.
    pub fn risk(&self) -> Value {
        let limits: Vec<&LimitUse> = self.limits.iter().filter(|limit| !limit.rate).collect();
        json!({
            "money": self.money, "trading_day": self.trading_day, "paper": self.paper, "open_orders": self.open_orders,
            "results": self.results, "limits": limits, "waived": self.waived, "overrides": self.overrides,
            "awaiting": self.awaiting, "allowed": self.allowed, "refused": self.refused, "refusals": self.refusals,
            "orders": self.orders,
        })
    }

    /// What `--section rates` and `/api/rates` show.
    pub fn rates(&self) -> Value {
        let limits: Vec<&LimitUse> = self.limits.iter().filter(|limit| limit.rate).collect();
        json!({
            "money": self.money, "trading_day": self.trading_day, "limits": limits, "api_usage": self.api_usage,
            "shared_rates": self.shared_rates,
            "allowed": self.rates_allowed, "refused": self.rates_refused,
        })
    }

    /// What `--section feeds` and `/api/feeds` show.
    pub fn feeds(&self) -> Value {
        json!({ "feeds": self.feeds, "polls": self.polls })
    }
}

/// The trading day's result in one account, in money.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountResult {
    /// Which.
    pub account: String,
    /// Realised and unrealised; below zero a loss. Absent where it cannot be said.
    pub result: Option<String>,
    /// The equity at the day's opening.
    pub opening_equity: Option<String>,
    /// The loss as a share of it.
    pub lost: Option<f64>,
    /// Whether the daily loss is reached.
    pub reached: bool,
}

/// A limit, and what is used of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LimitUse {
    /// Which.
    pub limit: String,
    /// `system`, `instrument`, `component` or `user`.
    pub scope: String,
    /// Whose: the component, the user, or the account and instrument that come nearest. Empty for what is of everybody.
    pub of: String,
    /// What is used; absent where it cannot be said.
    pub used: Option<String>,
    /// The limit.
    pub value: String,
    /// From 0 (far) to 1 (reached, or unknown).
    pub score: f64,
    /// Whether it is a rate.
    pub rate: bool,
}

/// A limit's other value for a while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverrideEntry {
    /// Its name.
    pub name: String,
    /// Which limit.
    pub limit: String,
    /// `system`, `instrument`, `component` or `user`.
    pub scope: String,
    /// Its value.
    pub value: String,
    /// When it ends, RFC 3339.
    pub until: String,
}

/// An order that waits for somebody's confirmation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AwaitingEntry {
    /// The bot's own id of it.
    pub client_id: String,
    /// Whose.
    pub component: Option<String>,
    /// On whose behalf.
    pub user: Option<String>,
    /// In which account.
    pub account: String,
    /// Of which instrument.
    pub instrument: String,
    /// `buy` or `sell`.
    pub side: String,
    /// How much.
    pub quantity: String,
    /// At which price; absent: at the market.
    pub price: Option<String>,
    /// What it is worth, in money.
    pub worth: String,
    /// Until when it can be confirmed, RFC 3339.
    pub until: String,
}

/// The price of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PriceFeed {
    /// Which.
    pub instrument: String,
    /// The price; the last known one where it is not fresh.
    pub price: Option<String>,
    /// Whether enough fresh sources agree on it.
    pub fresh: bool,
    /// How many must.
    pub required: u64,
    /// Each source.
    pub sources: Vec<PriceSource>,
}

/// One source of an instrument's price.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PriceSource {
    /// Its name.
    pub name: String,
    /// `silent`, `stale`, `outlier` or `good`.
    pub state: String,
    /// What it said last.
    pub price: Option<String>,
    /// How old that is, in seconds.
    pub age_seconds: Option<f64>,
    /// How many prices were taken.
    pub taken: u64,
    /// How many were refused.
    pub refused: u64,
}

/// How rates are shared with other systems. The numbers are of this epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SharedRatesEntry {
    /// The group.
    pub group: String,
    /// `good`: its server decides. `settling`, `doubted`, `apart`: the fallback does.
    pub state: String,
    /// Why its server does not decide, or what else is the matter.
    pub fault: Option<String>,
    /// What is to be told it yet.
    pub owed: u64,
    /// How long its last answer took, in seconds.
    pub answer_seconds: Option<f64>,
    /// By how much its clock is ahead of this host's, in seconds.
    pub clock_ahead_seconds: Option<f64>,
    /// Questions.
    pub asked: u64,
    /// Answered by the server: all fits.
    pub fitted: u64,
    /// Answered by the server: something is used up.
    pub refused: u64,
    /// Left to the fallback, out of time.
    pub timed_out: u64,
    /// Left to the fallback at once.
    pub gone: u64,
    /// Judged by both, since the server lost what it had counted.
    pub forgotten: u64,
    /// What was to be given back and was not: too much was owed, or the server refused it. The group allows less until it has passed.
    pub left_out: u64,
    /// How often more that counts was owed than is kept: each time the group's memory was taken as lost.
    pub spilled: u64,
}

/// A page that is asked for prices. The numbers are of this epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PollEntry {
    /// The source.
    pub source: String,
    /// The instrument.
    pub instrument: String,
    /// Prices that were taken from it.
    pub taken: u64,
    /// Tries that brought none.
    pub failed: u64,
    /// How many of them in a row, up to now.
    pub failed_in_a_row: u32,
    /// Why the last try brought none.
    pub fault: Option<String>,
}

/// How orders fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrdersFared {
    /// What bots said became of orders, in this epoch, by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The share of those that ended well, over a day; absent with fewer than 20.
    pub success_rate: Option<f64>,
    /// How long the venue took, the median of the last hundred that say so, in seconds.
    pub latency_seconds: Option<f64>,
}

/// One of the venue's request budgets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiUsageEntry {
    /// Which.
    pub endpoint: String,
    /// How much is used.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
}
