//! MySQL 8 and 9, and what no server does on demand: against a server in this process that speaks their protocol.

mod support;

#[path = "mysql8/commands.rs"]
mod commands;
#[path = "mysql8/damage.rs"]
mod damage;
#[path = "mysql8/login.rs"]
mod login;
#[path = "mysql8/refusals.rs"]
mod refusals;
