//! Metrics: what the engine counts of itself, and the text that Prometheus reads. The loop owns the [`Meters`] and calls
//! [`render`] when a door asks.

mod alerts;
mod exposition;
mod gate;
mod histogram;
mod meters;
mod render;

pub use exposition::Format;
pub(crate) use exposition::whole;
pub use histogram::Histogram;
pub use meters::{HealthCheck, Meters};
pub use render::render;

#[cfg(test)]
mod tests;
