//! Who votes on a change, and how ballots are counted (rulebook §10, conflicts and counts).
//!
//! Suspended and conflicted seats leave a college's base. A college whose seats are all conflicted is silent: left out if two others have a base;
//! otherwise all seats without a conflict decide together, by supermajority, if there are three. A college without any seat breaks parity, save for
//! changes that bear it, where it is silent.

use super::change::{Ballot, ChangeSeat, Choice, Content, Mode};
use crate::{
    registry::{
        college::{College, CollegeSeat},
        organisation::{Organisation, Status},
    },
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// How the ballots of colleges are put together.
    pub enum Counting {
        /// Every college that is not silent must carry the change.
        PerCollege = "per_college",
        /// All seats without a conflict decide together, by supermajority.
        AllSeats = "all_seats",
        /// Too few seats are without a conflict: `quorum`.
        NoBase = "no_base",
        /// A college has no seat: `parity`.
        NoParity = "no_parity",
        /// Nobody votes: a role decided alone.
        Alone = "alone",
    }
}

message! {
    /// A seat as it is frozen.
    pub struct FrozenSeat = FrozenSeat {
        /// Its college.
        pub college: CollegeCode,
        /// Who holds it.
        pub organisation: OrganisationId,
        /// Whether it may not vote on this change.
        pub conflicted: bool,
        /// Whether it speaks for its college on objections.
        pub delegate: bool,
    }

    /// A college as it is frozen.
    pub struct FrozenCollege = FrozenCollege {
        /// Which.
        pub college: CollegeCode,
        /// Seats that may vote.
        pub base: u32,
        /// Ballots that it takes: the base times the parameter `quorum_ppm`, rounded up.
        pub quorum: u32,
        /// Whether it is left out since nobody in it may vote; listed as a derogation.
        pub silent: bool,
    }

    /// What a college said.
    pub struct CollegeCount = CollegeCount {
        /// Which.
        pub college: CollegeCode,
        /// Ballots for it.
        pub yes: u32,
        /// Against it.
        pub no: u32,
        /// Neither.
        pub abstain: u32,
    }
}

/// Seats, colleges and the way to count, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Electorate {
    /// Seats of organisations that are active, by college.
    pub seats: Vec<FrozenSeat>,
    /// Every college, by code.
    pub colleges: Vec<FrozenCollege>,
    /// How their ballots are put together.
    pub counting: Counting,
    /// Ballots that all seats together take.
    pub joint_quorum: u32,
}

/// The college in which an organisation has a seat now.
pub fn seat_of(state: &Overlay<'_>, organisation: &OrganisationId) -> Option<CollegeCode> {
    let colleges = state.range::<College>(..);
    colleges.into_iter().map(|(code, _)| code).find(|code| state.has::<CollegeSeat>(&(*code, *organisation)))
}

/// Ballots that a base takes: ceil(base · ppm / 10^6).
pub fn quorum(base: u32, quorum_ppm: u64) -> u32 {
    let needed = (u128::from(base) * u128::from(quorum_ppm)).div_ceil(1_000_000);
    u32::try_from(needed).unwrap_or(u32::MAX)
}

/// Who may vote on this change if voting opened now.
pub fn electorate(content: &Content, quorum_ppm: u64, state: &Overlay<'_>) -> Electorate {
    let is_active = |organisation: &OrganisationId| {
        state.get::<Organisation>(organisation).is_some_and(|record| record.status == Status::Active)
    };
    let seats = state.range::<CollegeSeat>(..).into_iter();
    let seats: Vec<FrozenSeat> = seats
        .filter(|((_, organisation), _)| is_active(organisation))
        .map(|((college, organisation), CollegeSeat { delegate, .. })| FrozenSeat {
            college,
            organisation,
            conflicted: content.conflicts(&organisation, state),
            delegate,
        })
        .collect();
    let colleges: Vec<FrozenCollege> = state
        .range::<College>(..)
        .into_iter()
        .map(|(college, _)| {
            let may_vote = |seat: &&FrozenSeat| seat.college == college && !seat.conflicted;
            let base = seats.iter().filter(may_vote).count() as u32;
            FrozenCollege { college, base, quorum: quorum(base, quorum_ppm), silent: base == 0 }
        })
        .collect();
    let base: u32 = colleges.iter().map(|college| college.base).sum();
    let has_seat = |college: &FrozenCollege| seats.iter().any(|seat| seat.college == college.college);
    let counting = if !content.bears_empty_colleges() && !colleges.iter().all(has_seat) {
        Counting::NoParity
    } else {
        let voting = colleges.iter().filter(|college| !college.silent).count();
        match (colleges.len() - voting, voting) {
            (0, 1..) | (1.., 2..) => Counting::PerCollege,
            _ if base >= 3 => Counting::AllSeats,
            _ => Counting::NoBase,
        }
    };
    Electorate { seats, colleges, counting, joint_quorum: quorum(base, quorum_ppm) }
}

/// What the ballots say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// For the change.
    Carried,
    /// Against it.
    Lost,
    /// Too few ballots.
    NoQuorum,
    /// An admitted objection is open.
    Objected,
}

/// Counts each college's ballots, in the order of the frozen colleges.
pub fn count(colleges: &[FrozenCollege], seats: &[(OrganisationId, ChangeSeat)]) -> Vec<CollegeCount> {
    let of = |college: CollegeCode, wanted: Choice| {
        let says = |seat: &ChangeSeat| matches!(&seat.ballot, Some(Ballot { choice, .. }) if *choice == wanted);
        seats.iter().filter(|(_, seat)| seat.college == college && !seat.conflicted && says(seat)).count() as u32
    };
    colleges
        .iter()
        .map(|FrozenCollege { college, .. }| CollegeCount {
            college: *college,
            yes: of(*college, Choice::Yes),
            no: of(*college, Choice::No),
            abstain: of(*college, Choice::Abstain),
        })
        .collect()
}

/// Whether these ballots carry a change; `counts` stand in the order of `colleges`, `objections` are those that are admitted and open.
pub fn verdict(
    mode: Mode,
    counting: Counting,
    colleges: &[FrozenCollege],
    counts: &[CollegeCount],
    joint_quorum: u32,
    objections: u32,
) -> Verdict {
    match counting {
        Counting::Alone => Verdict::Carried,
        Counting::NoBase | Counting::NoParity => Verdict::NoQuorum,
        Counting::AllSeats => {
            let sum = |part: fn(&CollegeCount) -> u32| counts.iter().map(part).sum::<u32>();
            let (yes, no, abstain) = (sum(|count| count.yes), sum(|count| count.no), sum(|count| count.abstain));
            if yes + no + abstain < joint_quorum {
                Verdict::NoQuorum
            } else if mode.is_consent() && objections > 0 {
                Verdict::Objected
            } else if is_carried(Mode::Supermajority, yes, no) {
                // Whatever the mode: colleges that keep each other in balance are missing.
                Verdict::Carried
            } else {
                Verdict::Lost
            }
        }
        Counting::PerCollege => {
            let voting = || colleges.iter().zip(counts).filter(|(college, _)| !college.silent);
            if voting().any(|(college, count)| count.yes + count.no + count.abstain < college.quorum) {
                Verdict::NoQuorum
            } else if mode.is_consent() && objections > 0 {
                Verdict::Objected
            } else if voting().all(|(_, count)| is_carried(mode, count.yes, count.no)) {
                Verdict::Carried
            } else {
                Verdict::Lost
            }
        }
    }
}

/// Majority: yes > no. Supermajority: 3·yes ≥ 2·(yes + no), and a majority too, since taken alone the formula of the rulebook would let abstentions
/// carry what they cannot by majority. Consent: an answer is enough, for only an admitted objection stands against it.
fn is_carried(mode: Mode, yes: u32, no: u32) -> bool {
    match mode {
        Mode::Majority => yes > no,
        Mode::Supermajority => yes > no && 3 * u64::from(yes) >= 2 * (u64::from(yes) + u64::from(no)),
        Mode::Consent | Mode::ConsentOnly | Mode::Delegated => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn college(code: &str, base: u32) -> FrozenCollege {
        let silent = base == 0;
        FrozenCollege { college: CollegeCode::new(code).unwrap(), base, quorum: quorum(base, 500_000), silent }
    }

    fn says(code: &str, yes: u32, no: u32, abstain: u32) -> CollegeCount {
        CollegeCount { college: CollegeCode::new(code).unwrap(), yes, no, abstain }
    }

    #[test]
    fn a_quorum_is_rounded_up() {
        for (base, ppm, needed) in [(2, 500_000, 1), (3, 500_000, 2), (3, 666_666, 2), (3, 666_667, 3), (0, 500_000, 0)]
        {
            assert_eq!(quorum(base, ppm), needed, "{base} · {ppm}");
        }
    }

    #[test]
    fn every_college_must_carry_a_change_and_have_its_quorum() {
        let colleges = [college("a", 3), college("b", 2), college("c", 0)];
        let judge = |mode, a: (u32, u32, u32), b: (u32, u32, u32)| {
            let counts = [says("a", a.0, a.1, a.2), says("b", b.0, b.1, b.2), says("c", 0, 0, 0)];
            verdict(mode, Counting::PerCollege, &colleges, &counts, 3, 0)
        };
        for (mode, a, b, expected) in [
            (Mode::Majority, (2, 1, 0), (1, 0, 0), Verdict::Carried),
            (Mode::Majority, (2, 1, 0), (1, 1, 0), Verdict::Lost),
            (Mode::Majority, (1, 0, 0), (2, 0, 0), Verdict::NoQuorum),
            (Mode::Majority, (1, 0, 1), (1, 0, 1), Verdict::Carried),
            (Mode::Majority, (0, 0, 2), (1, 0, 0), Verdict::Lost),
            (Mode::Supermajority, (2, 1, 0), (2, 0, 0), Verdict::Carried),
            (Mode::Supermajority, (2, 1, 0), (1, 1, 0), Verdict::Lost),
            (Mode::Supermajority, (0, 0, 3), (0, 0, 2), Verdict::Lost),
            (Mode::Consent, (0, 2, 0), (0, 0, 1), Verdict::Carried),
            (Mode::Consent, (1, 0, 0), (0, 0, 1), Verdict::NoQuorum),
        ] {
            assert_eq!(judge(mode, a, b), expected, "{mode} {a:?} {b:?}");
        }
    }

    #[test]
    fn all_seats_together_need_two_thirds_whatever_the_mode() {
        let colleges = [college("a", 3), college("b", 0), college("c", 0)];
        for mode in [Mode::Majority, Mode::Supermajority, Mode::Consent, Mode::ConsentOnly] {
            let judge = |yes, no, objections| {
                let counts = [says("a", yes, no, 0), says("b", 0, 0, 0), says("c", 0, 0, 0)];
                verdict(mode, Counting::AllSeats, &colleges, &counts, 2, objections)
            };
            assert_eq!(judge(2, 1, 0), Verdict::Carried, "{mode}");
            assert_eq!(judge(1, 1, 0), Verdict::Lost, "{mode}");
            assert_eq!(judge(1, 0, 0), Verdict::NoQuorum, "{mode}");
            let objected = if mode.is_consent() { Verdict::Objected } else { Verdict::Carried };
            assert_eq!(judge(2, 1, 1), objected, "{mode}");
        }
    }
}
