//! Family 01: organisations, their offices, keys and roles; projects; and what genesis lays down around them: territories, colleges, funds,
//! validators (rulebook §2).

pub mod adopt_territories;
pub mod announce_ready;
pub mod close_fund;
pub mod college;
pub mod endorse;
pub mod fund;
pub mod merge_organisations;
pub mod open_fund;
pub mod organisation;
pub mod project;
pub mod recent_block;
pub mod register_organisation;
pub mod register_project;
pub mod role;
pub mod rotate_keys;
pub mod territory;
pub mod update_organisation;
pub mod update_project;
pub mod validator_seat;
