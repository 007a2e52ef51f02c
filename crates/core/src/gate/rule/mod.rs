//! The rules over one order. They look and change nothing, so that the same question can be asked without being counted; each adds
//! its refusals to one answer.

mod collar;
mod exposure;
mod liquidation;
mod loss;
mod rates;
mod repeat;
mod size;

pub(crate) use exposure::{Gap, Rest};
pub(crate) use loss::{LossOf, loss_of, lost_share, reaches};
pub(crate) use rates::judge_rates;

use crate::gate::book::{Account, Book};
use crate::gate::limit::{Limit, LimitName, Scope};
use crate::gate::lines::Line;
use crate::gate::memory::GateMemory;
use crate::gate::order::{Kind, Order, Placed, ShortText, leverage, positive};
use crate::gate::overrides::{Of, Whose};
use crate::gate::policy::{InstrumentPolicy, Margin};
use crate::gate::price::{Feed, Reference, Unfresh};
use crate::gate::refusal::{Code, Decision};
use crate::gate::setup::{Setup, shown};
use crate::gate::time::GateTime;
use crate::gate::users::UserId;
use crate::gate::valuation::{Conversion, Overflow, Valuation};
use crate::permission::Rights;

/// What the rules look at.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub setup: &'a Setup,
    pub memory: &'a GateMemory,
    pub feeds: &'a [Feed],
    pub at: GateTime,
}

/// What somebody outside said of the rates of this order; `None`: nothing.
pub(crate) type SharedVerdict<'a> = Option<&'a [(LimitName, Scope)]>;

/// One order before the rules.
pub(crate) struct Judge<'a> {
    pub view: View<'a>,
    pub placed: &'a Placed,
    /// Where the user stands, if he is remembered.
    pub user: Option<UserId>,
    pub instrument: &'a InstrumentPolicy,
    pub valuation: &'a Valuation,
    pub book: &'a Book,
    pub line: &'a Line,
    pub account: &'a Account,
    pub reference: Reference,
    pub conversion: Result<Option<Conversion>, Unpriced>,
    pub reduces: bool,
    /// What the rest of the account comes to, once somebody asked.
    rest: Option<Result<Rest, Gap>>,
    /// What the account's exposure is worth, once it was judged; `None` where that was refused.
    own: Option<u128>,
    pub out: &'a mut Decision,
}

/// Why something has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpriced {
    /// There never was one.
    Missing,
    /// It is too old.
    Stale,
}

impl Unpriced {
    pub fn code(self) -> Code {
        match self {
            Self::Missing => Code::MissingPrice,
            Self::Stale => Code::PriceStale,
        }
    }
}

/// What an allowed order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub placed: Placed,
    pub reference: Option<u128>,
    pub volume: u128,
}

impl<'a> View<'a> {
    /// The value of somebody's limit now.
    pub fn limit(&self, limit: LimitName, of: &Whose<'_>) -> Limit {
        self.memory.overrides.of(self.at, limit, of, self.setup.configured(limit, of))
    }

    /// What turns the currency of an instrument's prices into money, by the last known price.
    pub fn conversion(&self, valuation: &Valuation) -> Result<Option<Conversion>, Unpriced> {
        let Some(through) = valuation.through else { return Ok(None) };
        let price = self.mark(through)?;
        self.conversion_at(through, price)
    }

    fn conversion_at(&self, through: usize, price: u128) -> Result<Option<Conversion>, Unpriced> {
        let (instrument, _) = self.setup.at(through).ok_or(Unpriced::Missing)?;
        Ok(Some(Conversion { price, decimals: u32::from(instrument.price.decimals()) }))
    }

    /// The price of what is merely held: the last one on which enough sources agreed, not too old.
    pub fn mark(&self, instrument: usize) -> Result<u128, Unpriced> {
        let feed = self.feeds.get(instrument).ok_or(Unpriced::Missing)?;
        match (feed.mark(self.at), feed.last()) {
            (Some(mark), _) => Ok(mark),
            (None, Some(_)) => Err(Unpriced::Stale),
            (None, None) => Err(Unpriced::Missing),
        }
    }

    /// Judges one order; every refusal goes into `out`. Says what it counts where its parts were understood.
    pub fn judge(
        self,
        order: &Order<'_>,
        may: Rights,
        shared: SharedVerdict<'_>,
        out: &mut Decision,
    ) -> Option<Counted> {
        out.paper = !may.live;
        if may.revoked {
            out.refuse(Code::KillSwitch, Scope::System);
        } else if !may.open && !may.reduce {
            out.refuse(Code::Halted, Scope::System);
        }
        if order.live && !may.live {
            out.refuse(Code::DryMode, Scope::System);
        }
        let placed = self.read(order, !may.live, out)?;
        let (instrument, valuation) = self.setup.at(placed.instrument)?;
        let book = self.memory.book(placed.paper);
        let line = book.line(placed.account, placed.instrument)?;
        let reference = self.feeds.get(placed.instrument)?.reference(self.at, &self.setup.policy);
        let mut judge = Judge {
            view: self,
            placed: &placed,
            user: placed.user.and_then(|name| self.memory.users.find(&name)),
            instrument,
            valuation,
            book,
            line,
            account: book.accounts.get(placed.account)?,
            reference,
            conversion: self.conversion(valuation),
            reduces: false,
            rest: None,
            own: None,
            out,
        };
        judge.reduces = judge.is_reducing();
        judge.out.reduces = judge.reduces;
        judge.note_price();
        let must_reduce = order.reduce_only || order.kind == Kind::Exit || (may.reduce && !may.open);
        if must_reduce && !judge.reduces {
            judge.out.refuse(Code::ReduceOnly, Scope::System);
        }
        judge.repeats();
        judge.collar();
        let volume = judge.volume();
        judge.fits();
        if !judge.reduces {
            judge.prices();
            judge.size();
            judge.exposure();
            judge.liquidation();
            judge.loss();
            judge.rates(volume, shared);
        }
        let reference = judge.reference.known();
        judge.out.volume = volume;
        Some(Counted { placed, reference, volume })
    }

    /// Reads an order; every part that cannot be read is a refusal.
    fn read(&self, order: &Order<'_>, paper: bool, out: &mut Decision) -> Option<Placed> {
        let mut need = |found: bool, code, scope| {
            if !found {
                out.refuse(code, scope);
            }
        };
        let client = ShortText::of(order.client_id);
        need(client.is_some(), Code::InvalidClientId, Scope::System);
        let component = self.setup.slot(order.component);
        need(component.is_ok(), Code::UnknownComponent, Scope::Component);
        let user = order.user.map(ShortText::of);
        need(user != Some(None), Code::InvalidUser, Scope::User);
        let account = self.setup.account(order.account);
        need(account.is_some(), Code::UnknownAccount, Scope::System);
        let times = order.leverage.map(leverage);
        need(times != Some(None), Code::InvalidLeverage, Scope::Instrument);
        let instrument = self.setup.instrument(order.instrument);
        need(instrument.is_some(), Code::UnknownInstrument, Scope::Instrument);
        if let Some(client) = &client {
            need(!self.memory.was_used(client), Code::Duplicate, Scope::System);
        }
        let index = instrument?;
        let (instrument, _) = self.setup.at(index)?;
        let quantity = positive(order.quantity, instrument.quantity);
        need(quantity.is_some(), Code::InvalidQuantity, Scope::Instrument);
        let price = order.price.map(|price| positive(price, instrument.price));
        need(price != Some(None), Code::InvalidPrice, Scope::Instrument);
        let borrows = !matches!(instrument.margin, Margin::Spot);
        let plain = times.is_none_or(|times| times == Some(crate::gate::limit::TIMES_ONE));
        need(borrows || plain, Code::InvalidLeverage, Scope::Instrument);
        let component = component.ok()?;
        let rules = component.and_then(|index| self.setup.policy.components.get(usize::from(index)));
        let allowed = rules.and_then(|rules| rules.instruments.as_ref()).is_none_or(|list| list.contains(&index));
        need(allowed, Code::InstrumentNotAllowed, Scope::Component);
        Some(Placed {
            client: client?,
            component,
            user: user.map_or(Some(None), |user| user.map(Some))?,
            account: account?,
            instrument: index,
            kind: order.kind,
            side: order.side,
            quantity: quantity?,
            price: price.map_or(Some(None), |price| price.map(Some))?,
            leverage: times.map_or(Some(None), |times| times.map(Some))?,
            paper,
        })
    }
}

impl<'a> Judge<'a> {
    /// Whether it reduces for certain: the position is known and fresh, and the order together with everything open on its side is
    /// not larger than it. Then it can neither open nor flip, whatever is filled and in whatever order.
    fn is_reducing(&self) -> bool {
        let Some(position) = self.line.position.filter(|position| self.is_fresh(position.heard)) else { return false };
        let open = self.line.pending.side(self.placed.side).quantity;
        let closable = position.closable(self.placed.side);
        open.checked_add(self.placed.quantity).is_some_and(|all| all <= closable)
    }

    pub(in crate::gate::rule) fn is_fresh(&self, heard: GateTime) -> bool {
        self.view.at.since(heard) <= self.view.setup.policy.position_max_age
    }

    fn note_price(&mut self) {
        let price = self.reference.known();
        self.out.price = price.map(|price| shown(price, self.instrument.price));
        self.out.fallback = price.is_some() && !matches!(self.reference, Reference::Fresh(_));
    }

    /// What opens needs a fresh price, and a fresh conversion where there is one.
    fn prices(&mut self) {
        let through = self.valuation.through.and_then(|through| self.view.feeds.get(through));
        let conversion = through.map(|feed| feed.reference(self.view.at, &self.view.setup.policy));
        for reference in [Some(self.reference), conversion].into_iter().flatten() {
            match reference {
                Reference::Fresh(_) => {}
                Reference::Stale { why: Unfresh::Apart, .. } => self.out.refuse(Code::PriceOutlier, Scope::Instrument),
                Reference::Stale { last: None, why: Unfresh::Silent } => {
                    self.out.refuse(Code::MissingPrice, Scope::Instrument);
                }
                Reference::Stale { last: Some(_), why: Unfresh::Silent } => {
                    self.out.refuse(Code::PriceStale, Scope::Instrument);
                }
            }
        }
    }

    /// What a quantity is worth in money at the reference price; `None` (and a refusal of what opens) where that cannot be said.
    pub(in crate::gate::rule) fn notional(&mut self, quantity: u128, price: u128) -> Option<u128> {
        let conversion = match self.conversion {
            Ok(conversion) => conversion,
            Err(unpriced) => {
                self.refuse_unless_reducing(unpriced.code(), Scope::Instrument);
                return None;
            }
        };
        let notional = self.valuation.notional(quantity, price, conversion, self.view.setup.policy.money);
        self.counted(notional)
    }

    /// A number, or the refusal (of what opens) that it is beyond counting.
    pub(in crate::gate::rule) fn counted<T>(&mut self, number: Result<T, Overflow>) -> Option<T> {
        if number.is_err() {
            self.refuse_unless_reducing(Code::Overflow, Scope::System);
        }
        number.ok()
    }

    fn refuse_unless_reducing(&mut self, code: Code, scope: Scope) {
        if !self.reduces {
            self.out.refuse(code, scope);
        }
    }

    /// Everybody whose limits bind this order.
    pub(in crate::gate::rule) fn bound(&self) -> impl Iterator<Item = Whose<'a>> + use<'a> {
        let component = self.placed.component.map(Of::Component);
        let user = self.placed.user.as_ref().map(Of::User);
        [Some(Of::System), Some(Of::Instrument(self.placed.instrument)), component, user].into_iter().flatten()
    }

    /// Compares something counted in a limit's own unit with everybody's limit of it.
    pub(in crate::gate::rule) fn at_most(&mut self, name: LimitName, found: u128, code: Code) {
        let scale = name.scale(self.view.setup.policy.money, self.instrument.quantity);
        for of in self.bound() {
            if let Limit::Set(limit) = self.view.limit(name, &of)
                && found > limit
            {
                self.out.refuse_by(code, of.scope(), Some(shown(found, scale)), Some(shown(limit, scale)));
            }
        }
    }
}
