//! The ways in. Each parses into one command type; what is legal when is decided behind them, by the engine's loop.

pub mod bot;
