//! The built program against small fakes: real processes, real sockets, loopback only.

mod fake;
mod ladder;
mod running;
mod watching;
mod witness;
