//! Rates: what an order, or anything else, uses up of each for everybody together, for its component and for its user. What reduces
//! counts and is never refused by them: nobody is kept in a position for want of a rate.

use super::{Judge, SharedVerdict, View};
use crate::gate::limit::{Limit, LimitName, Scope};
use crate::gate::order::ShortText;
use crate::gate::overrides::{Of, Whose};
use crate::gate::policy::SharedRates;
use crate::gate::rates::{Cost, RATES, Used};
use crate::gate::refusal::{Code, Decision};
use crate::gate::setup::shown;
use crate::gate::users::UserId;

impl Judge<'_> {
    pub(super) fn rates(&mut self, volume: u128, shared: SharedVerdict<'_>) {
        let cost = Cost::of_order(true, volume, self.placed.kind);
        let user = self.placed.user.as_ref().map(|name| (name, self.user));
        judge_whom(&self.view, self.placed.component, user, &cost, self.out);
        match (shared, self.view.setup.policy.shared_rates) {
            // The last of the rules: nobody is asked about what is refused anyway, and then it is no reason that nobody answered.
            (None, SharedRates::ElseRefuse) if self.out.allows() => self.out.refuse(Code::RateShared, Scope::System),
            (None, SharedRates::Off | SharedRates::ElseRefuse) => {}
            // What somebody outside refuses is refused, whatever is counted here; what he allows is judged here as well.
            (Some(refused), SharedRates::Off | SharedRates::ElseRefuse) => {
                for (rate, code) in RATES {
                    for (_, scope) in refused.iter().filter(|(limit, _)| *limit == rate) {
                        self.out.refuse(code, *scope);
                    }
                }
            }
        }
    }
}

/// Judges what something costs.
pub(crate) fn judge_rates(
    view: &View<'_>,
    component: Option<u8>,
    user: Option<&ShortText>,
    cost: &Cost,
    out: &mut Decision,
) {
    judge_whom(view, component, user.map(|name| (name, view.memory.users.find(name))), cost, out);
}

/// The same where it is known which user that is, if he is remembered.
fn judge_whom(
    view: &View<'_>,
    component: Option<u8>,
    user: Option<(&ShortText, Option<UserId>)>,
    cost: &Cost,
    out: &mut Decision,
) {
    judge_used(view, &Of::System, Some(&view.memory.system), cost, out);
    if let Some(index) = component {
        judge_used(view, &Of::Component(index), view.memory.component(index), cost, out);
    }
    if let Some((name, known)) = user {
        if known.is_none() && !view.memory.has_room(view.at) {
            out.refuse(Code::RateUsers, Scope::System);
        }
        let known = known.and_then(|id| view.memory.users.get(id));
        judge_used(view, &Of::User(name), known.map(|user| &user.used), cost, out);
    }
}

fn judge_used(view: &View<'_>, of: &Whose<'_>, used: Option<&Used>, cost: &Cost, out: &mut Decision) {
    for (rate, code) in RATES {
        let more = cost.of(rate);
        if more == 0 {
            continue;
        }
        if let Limit::Set(limit) = view.limit(rate, of) {
            let used = used.map_or(0, |used| used.of(rate, view.at)).saturating_add(more);
            if used > limit {
                let scale = scale(view, rate);
                out.refuse_by(code, of.scope(), Some(shown(used, scale)), Some(shown(limit, scale)));
            }
        }
    }
}

fn scale(view: &View<'_>, rate: LimitName) -> failstop_amount::Scale {
    rate.scale(view.setup.policy.money, crate::gate::limit::COUNT_SCALE)
}
