//! What the gate answers: all refusals at once, each with a stable code. The table in `docs/reference/refusals.md` is written from
//! here.

use crate::gate::limit::Scope;
use crate::gate::order::Order;
use crate::gate::record::{Allowed, GateRecord};
use crate::gate::time::GateTime;
use core::fmt;
use failstop_amount::Amount;

macro_rules! codes {
    ($($variant:ident = $code:literal, $meaning:literal, $next:literal;)*) => {
        /// Why an order is refused. The text of a code never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the reference.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$variant),*];

            /// The code as bots see it.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it.
            pub const fn next(self) -> &'static str {
                match self { $(Self::$variant => $next,)* }
            }
        }
    };
}

codes! {
    Starting = "STARTING", "The gate has not been started yet.", "Wait until failstop is ready.";
    KillSwitch = "KILL_SWITCH", "The kill switch is engaged.", "`failstop kill-switch release` once its reason has passed.";
    Halted = "HALTED", "The permission allows no orders at all.", "`failstop status` names the halts and what clears them.";
    ReduceOnly = "REDUCE_ONLY", "Only what reduces a position is allowed (by the permission, or since the order says so), and this does not: the position is flat, unknown or old, or the order together with everything open on its side is larger than it.", "Send a smaller order, or report the position; `failstop status` names what holds the permission at reduce-only.";
    DryMode = "DRY_MODE", "The order asks to reach the exchange, and the mode is `dry`.", "`failstop mode live`, or leave `live` out of the order.";
    InvalidClientId = "INVALID_CLIENT_ID", "The client id is not 1 to 64 printable ASCII characters without spaces.", "Send an id of that form.";
    InvalidUser = "INVALID_USER", "The user is not 1 to 64 printable ASCII characters without spaces.", "Send a name of that form.";
    InvalidQuantity = "INVALID_QUANTITY", "The quantity is no number above zero with at most as many decimals as the instrument has.", "Round it in the bot, where it is known which way.";
    InvalidPrice = "INVALID_PRICE", "The price is no number above zero with at most as many decimals as the instrument has.", "Round it in the bot, where it is known which way.";
    InvalidLeverage = "INVALID_LEVERAGE", "The leverage is no number from 1 with at most two decimals, or is not 1 where nothing is borrowed.", "Correct it, or leave it out for spot.";
    UnknownInstrument = "UNKNOWN_INSTRUMENT", "The instrument is not declared.", "Declare it under `[[instrument]]`, if it is to be traded.";
    UnknownAccount = "UNKNOWN_ACCOUNT", "The account is not declared.", "Declare it under `[[account]]`.";
    UnknownComponent = "UNKNOWN_COMPONENT", "The component that asks is not configured.", "Configure it, or ask from one that is.";
    InstrumentNotAllowed = "INSTRUMENT_NOT_ALLOWED", "The component may not trade this instrument.", "Add it to the component's list, if it is to be traded.";
    Duplicate = "DUPLICATE", "The client id was used before.", "Ask what became of that order; send a new one under a new id.";
    DuplicateContent = "DUPLICATE_CONTENT", "The same order was allowed a moment ago (`duplicate_window`).", "If it is meant twice, send it after the window.";
    RepeatedOrders = "REPEATED_ORDERS", "The component opens on one side of one instrument again and again (`repeated_orders`).", "Look whether the bot runs in circles.";
    RecentFull = "RECENT_FULL", "More orders within the windows than the gate remembers.", "Send them slower; where the strategy does that on purpose, `repeated_orders = \"waived\"`.";
    OpenOrdersFull = "OPEN_ORDERS_FULL", "More orders are open than the gate can count.", "Report the outcomes of orders that are over; cancel some.";
    OrderQuantity = "ORDER_QUANTITY", "The order is larger than `order_quantity`.", "Split it, or raise the limit.";
    OrderNotional = "ORDER_NOTIONAL", "The order is worth more than `order_notional`.", "Split it, or raise the limit.";
    PositionLimit = "POSITION_LIMIT", "With everything open on its side filled the position would be worth more than `position`.", "Cancel what is open, reduce first, or raise the limit.";
    AccountRisk = "ACCOUNT_RISK", "The margin of the position would be a larger share of the account's equity than `account_risk`.", "A smaller order, or more equity.";
    Leverage = "LEVERAGE", "The leverage is above `leverage`.", "Ask for less.";
    TotalLeverage = "TOTAL_LEVERAGE", "All positions of the account together would be worth more than `total_leverage` times its equity.", "Reduce first.";
    LiquidationBuffer = "LIQUIDATION_BUFFER", "The liquidation price would be nearer to the mark than `liquidation_buffer`.", "Less leverage, or a smaller order.";
    DailyLoss = "DAILY_LOSS", "The day's loss has reached its limit; only what reduces is allowed.", "The next trading day, or a super-admin's override.";
    PriceStale = "PRICE_STALE", "Fewer price sources are fresh than required. The last known price opens nothing.", "`failstop status --section feeds` says which source is silent.";
    PriceOutlier = "PRICE_OUTLIER", "Enough sources are fresh, but too few agree with their median.", "`failstop status --section feeds` says which source is off.";
    PriceCollar = "PRICE_COLLAR", "The limit price is further beyond the reference price than `price_collar`.", "Correct the price.";
    ConfirmationRequired = "CONFIRMATION_REQUIRED", "The order is worth more than `confirm_above` and nobody has confirmed it.", "Let an admin confirm it, then send it again, unchanged.";
    RateOpenings = "RATE_OPENINGS", "`openings_per_minute` is used up.", "Wait.";
    RateDaily = "RATE_DAILY", "`trades_per_day` is used up.", "The next trading day, or a super-admin's override.";
    RateVolume = "RATE_VOLUME", "`volume_per_hour` is used up.", "Wait, or send a smaller order.";
    RateVolumeDaily = "RATE_VOLUME_DAILY", "`volume_per_day` is used up.", "The next trading day, or a super-admin's override.";
    RateMessages = "RATE_MESSAGES", "`messages_per_minute` is used up.", "Wait.";
    RateCopies = "RATE_COPIES", "`copies_per_minute` is used up.", "Wait.";
    RateShared = "RATE_SHARED", "Rates are shared with other hosts, nobody said what is left, and the configuration wants no fallback.", "See whether the service that counts them answers.";
    RateUsers = "RATE_USERS", "More users than the gate can count.", "Wait until others have been idle for a day.";
    Overflow = "OVERFLOW", "A number is beyond what can be counted.", "Look at the order's numbers and the declared scales.";
    MissingPrice = "MISSING_PRICE", "No price is known of an instrument that must be valued.", "Report prices of it.";
    MissingPosition = "MISSING_POSITION", "The position is not known, or was last heard of too long ago; or another of the account, which a limit needs, became unknown.", "Report the positions, flat ones too.";
    MissingEquity = "MISSING_EQUITY", "The account's equity is not known, or was last heard of too long ago.", "Report it.";
    MissingOpeningEquity = "MISSING_OPENING_EQUITY", "The account's equity at the opening of the trading day is not known.", "Report the equity.";
    MissingLeverage = "MISSING_LEVERAGE", "Neither the order nor the position says which leverage applies.", "Name it in the order.";
    MissingMaintenance = "MISSING_MAINTENANCE", "The instrument's maintenance margin is not declared.", "Declare it; the venue publishes it.";
    MissingEntry = "MISSING_ENTRY", "The entry price of the position is not known.", "Report the position with its entry price.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// One reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// Whose limit.
    pub scope: Scope,
    /// What it came to, where it is a number: in money, a share, times, a quantity or a count.
    pub found: Option<Amount>,
    /// What is allowed, in the same unit.
    pub limit: Option<Amount>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match self.scope {
            Scope::System => {}
            Scope::Instrument => write!(f, " (instrument)")?,
            Scope::Component => write!(f, " (component)")?,
            Scope::User => write!(f, " (user)")?,
        }
        match (self.found, self.limit) {
            (Some(found), Some(limit)) => write!(f, ": {found}, limit {limit}"),
            (Some(found), None) => write!(f, ": {found}"),
            (None, Some(limit)) => write!(f, ": limit {limit}"),
            (None, None) => Ok(()),
        }
    }
}

/// The answer. Kept by the host and filled anew for each order, so that a decision allocates nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Every reason; empty: allowed.
    pub refusals: Vec<Refusal>,
    /// Whether it reduces a position.
    pub reduces: bool,
    /// Whether it stays on paper.
    pub paper: bool,
    /// What it is worth in money, rounded up; `None` where that is not known.
    pub notional: Option<Amount>,
    /// The price that it was judged by.
    pub price: Option<Amount>,
    /// Whether that is a last known price, good for nothing that opens.
    pub fallback: bool,
    /// When it was decided.
    pub at: GateTime,
    /// The part of what it is worth that counts against volumes.
    pub(crate) volume: u128,
}

impl Decision {
    /// Whether it may be sent.
    pub fn allows(&self) -> bool {
        self.refusals.is_empty()
    }

    /// Whether this is among the reasons.
    pub fn has(&self, code: Code) -> bool {
        self.refusals.iter().any(|refusal| refusal.code == code)
    }

    /// The record that must be in the journal before an allowed order leaves. `None` where it was refused.
    pub fn record(&self, order: &Order<'_>, component: Option<&str>) -> Option<GateRecord> {
        self.allows().then(|| GateRecord::Allowed(Box::new(Allowed::of(self, order, component))))
    }

    pub(crate) fn begin(&mut self) {
        self.refusals.clear();
        *self = Self { refusals: core::mem::take(&mut self.refusals), ..Self::default() };
    }

    pub(crate) fn refuse(&mut self, code: Code, scope: Scope) {
        self.refuse_by(code, scope, None, None);
    }

    /// Adds a reason, once.
    pub(crate) fn refuse_by(&mut self, code: Code, scope: Scope, found: Option<Amount>, limit: Option<Amount>) {
        if !self.refusals.iter().any(|refusal| refusal.code == code && refusal.scope == scope) {
            self.refusals.push(Refusal { code, scope, found, limit });
        }
    }
}
