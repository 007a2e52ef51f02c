//! The gate as the engine keeps it: what is translated between the bot socket, the journal and `failstop_core::gate`, which decides.
//! What the loop does with it is `app/gate/`.

mod charges;
mod confirmations;
mod desk;
mod loss;
mod paper;
mod performance;
mod record;
mod usage;
mod view;

pub use charges::{bearer, charged};
pub use confirmations::ConfirmationNews;
pub use desk::{Ask, Desk, Terms, order_of, side_of};
pub use paper::Quotes;
pub use performance::{Judged, MIN_RESULTS, Performance};
pub use record::{decode, encode, is_gate};
pub use usage::ApiUsage;
pub use view::{poll, shared_rates, status};
