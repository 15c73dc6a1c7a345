//! Real processes from outside: what a person, a program or an operator sees of a network on loopback.

mod demo;
mod disk;
mod examples;
mod governance;
mod import;
mod kills;
mod network;
mod office;
mod operator;
mod refusals;
mod tls;
