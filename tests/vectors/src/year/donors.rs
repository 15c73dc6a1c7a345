//! Money of donors: a campaign that reaches its goal, the grant that comes of it and what is asked back of another, a matching round with a
//! challenge, and vouchers.

use super::{
    Story,
    money::{plan, royalty},
    rules::reason,
};
use crate::network::*;
use octroi_ledger::{
    Event, Kind, Payload,
    campaign::{
        open_campaign::OpenCampaign,
        pledge::Pledge,
        pledge_batch::{Donor, PledgeBatch},
        withdraw_pledge::WithdrawPledge,
    },
    grant::{
        amend_grant::AmendGrant,
        clawback::ClawbackReason,
        file_final_report::FileFinalReport,
        grant::{AmendedTranche, Amendment},
        offset_clawback::OffsetClawback,
        open_clawback::OpenClawback,
        sign_convention::SignConvention,
        terminate_grant::TerminateGrant,
    },
    matching::{
        challenge_matching::ChallengeMatching, contribute_to_project::ContributeToProject, open_matching::OpenMatching,
    },
    voucher::{assign_voucher::AssignVoucher, issue_vouchers::IssueVouchers, redeem_voucher::RedeemVoucher},
};
use octroi_primitives::*;

impl Story {
    /// Two pledge and pay, one takes its pledge back; the goal is reached, and the grant is signed.
    pub(super) fn campaign(&mut self) {
        let (_, project) = self.known.projects[0];
        let open = OpenCampaign {
            fund: fund(),
            envelope: envelope("commons"),
            project,
            title: Name::new("A map for everybody").expect("a name"),
            goal: Amount::eur(500_000),
            hard_cap: Amount::eur(800_000),
            min_pledge: Amount::eur(1_000),
            opens_at: self.chain.now().saturating_add(2_000),
            closes_at: self.chain.now().saturating_add(10 * DAY),
            tranches: plan(300_000, 200_000),
            collectors: vec![id("consumers")],
            document: commitment("campaign"),
        };
        let Event::OpenCampaign(opened) = self.act("agency", Payload::OpenCampaign(open)) else {
            panic!("it was opened")
        };
        let campaign = opened.id;
        self.wait(60_000);
        let donor = |text: &str, amount| Donor { commitment: commitment(text), amount };
        let events = self.acts(vec![
            ("platform", Payload::Pledge(Pledge { campaign, amount: Amount::eur(400_000) })),
            ("lab", Payload::Pledge(Pledge { campaign, amount: Amount::eur(30_000) })),
            (
                "consumers",
                Payload::PledgeBatch(PledgeBatch {
                    campaign,
                    donors: vec![donor("first donor", 100_000), donor("second donor", 50_000)],
                }),
            ),
        ]);
        let pledges: Vec<PledgeId> = events
            .into_iter()
            .map(|event| match event {
                Event::Pledge(made) => made.id,
                Event::PledgeBatch(made) => made.id,
                other => panic!("{} was not asked for", other.kind()),
            })
            .collect();
        self.act("lab", Payload::WithdrawPledge(WithdrawPledge { pledge: pledges[1] }));
        let reference = |pledge: PledgeId| Some(Reference::of(ReferenceKind::Pledge, pledge.hash()));
        self.next_statement(vec![(400_000, reference(pledges[0])), (150_000, reference(pledges[2]))]);
        let settled = self.wait(10 * DAY);
        let grant = settled.iter().find_map(|receipt| match receipt.event() {
            Some(Event::SettleCampaign(settled)) => settled.grant.as_ref().map(|offer| offer.grant),
            _ => None,
        });
        let grant = grant.expect("the goal is reached");
        let date = self.today();
        let sign = || {
            Payload::SignConvention(SignConvention {
                grant,
                convention: commitment("convention of the campaign"),
                date,
                payee_account: Some(commitment("account of maps")),
            })
        };
        self.acts(vec![("maps", sign()), ("region", sign())]);
        self.known.funded = Some(grant);
    }

    /// Two ask money of the first grant back, which the advance of the other one pays in part; that one is amended and broken off, the first reported.
    pub(super) fn clawback(&mut self) {
        let (first, _) = self.known.grant.clone().expect("it was offered");
        let second = self.known.funded.expect("it was offered");
        let ask = || {
            Payload::OpenClawback(OpenClawback {
                grant: first,
                amount: Amount::eur(200_000),
                reason: ClawbackReason::NotDone,
                document: commitment("not done"),
            })
        };
        let events = self.acts(vec![("region", ask()), ("treasury", ask())]);
        let Event::OpenClawback(opened) = &events[1] else { panic!("it was asked") };
        let clawback = opened.clawback.expect("two have asked");
        let advance = {
            let grant = self.chain.state.get::<octroi_ledger::grant::grant::Grant>(&second).expect("it was offered");
            Amount::eur(grant.tranches[0].amount)
        };
        let offset = OffsetClawback {
            grant: second,
            tranche: 1,
            amount: advance,
            offset: Amount::eur(150_000),
            budget_year: 2027,
            clawback,
        };
        self.act("region", Payload::OffsetClawback(offset));
        let amended = AmendedTranche {
            number: 2,
            kind: octroi_ledger::application::application::TrancheKind::Balance,
            amount: 180_000,
            due: LegalDate::new(2028, 3, 31).expect("a date"),
            budget_year: 2028,
            criteria: commitment("criteria, amended"),
            evidence_needed: 2,
        };
        let date = self.today();
        let amend = || {
            Payload::AmendGrant(AmendGrant {
                grant: second,
                amendment: Amendment {
                    convention: commitment("amendment"),
                    date,
                    payee_account: None,
                    tranches: vec![amended.clone()],
                },
            })
        };
        self.acts(vec![("maps", amend()), ("region", amend())]);
        let end = TerminateGrant {
            grant: second,
            from_year: None,
            reason: reason("given_up"),
            document: commitment("given up"),
        };
        self.act("region", Payload::TerminateGrant(end));
        let report = || {
            Payload::FileFinalReport(FileFinalReport {
                grant: first,
                actual_cost: Amount::eur(3_000_000),
                report: commitment("final report"),
            })
        };
        self.acts(vec![("maps", report()), ("region", report())]);
    }

    /// Two projects, three contributions; a seat doubts the results, which stand when nobody has decided.
    pub(super) fn round(&mut self) {
        let mut projects = vec![self.known.projects[0].1, self.known.projects[2].1];
        projects.sort_unstable();
        let open = OpenMatching {
            fund: fund(),
            envelope: envelope("commons"),
            title: Name::new("Round of the year").expect("a name"),
            pool: Amount::eur(300_000),
            cap: Amount::eur(50_000),
            max_share_ppm: ppm(800_000),
            multiple_ppm: Factor::new(5_000_000).expect("a factor"),
            opens_at: self.chain.now().saturating_add(2_000),
            closes_at: self.chain.now().saturating_add(5 * DAY),
            projects: projects.clone(),
            tranches: plan(1, 1),
            collectors: vec![id("consumers")],
            document: commitment("round"),
        };
        let Event::OpenMatching(opened) = self.act("agency", Payload::OpenMatching(open)) else {
            panic!("it was opened")
        };
        let round = opened.id;
        self.wait(60_000);
        let give = |project, minor, donor: Option<&str>| {
            Payload::ContributeToProject(ContributeToProject {
                round,
                project,
                amount: Amount::eur(minor),
                donor: donor.map(commitment),
            })
        };
        let events = self.acts(vec![
            ("platform", give(projects[0], 10_000, None)),
            ("consumers", give(projects[0], 2_500, Some("third donor"))),
            ("bank", give(projects[1], 40_000, None)),
        ]);
        let given = events.into_iter().map(|event| match event {
            Event::ContributeToProject(made) => made.id,
            other => panic!("{} was not asked for", other.kind()),
        });
        let given: Vec<ContributionId> = given.collect();
        let reference = |of: ContributionId| Some(Reference::of(ReferenceKind::Matching, of.hash()));
        let amounts = given.iter().zip([10_000, 2_500, 40_000]);
        self.next_statement(amounts.map(|(of, minor)| (minor, reference(*of))).collect());
        let counted = self.wait(5 * DAY);
        assert!(counted.iter().any(|receipt| receipt.kind() == Kind::SettleMatching), "the round is counted");
        let challenge = ChallengeMatching {
            round,
            contributions: vec![given[2]],
            reason: reason("not_independent"),
            statement: commitment("doubt"),
            own: None,
        };
        self.act("lab", Payload::ChallengeMatching(challenge));
        self.wait(31 * DAY);
    }

    /// Ten vouchers, of which five are given away, two redeemed, and the rest expires.
    pub(super) fn vouchers(&mut self) {
        let issue = IssueVouchers {
            fund: fund(),
            envelope: envelope("startups"),
            title: Name::new("Data for beginners").expect("a name"),
            count: 10,
            value: Amount::eur(5_000),
            schedule: royalty(),
            expires_at: self.chain.now().saturating_add(3 * DAY),
            eligibility: vec![],
            document: commitment("vouchers"),
        };
        let Event::IssueVouchers(issued) = self.act("agency", Payload::IssueVouchers(issue)) else {
            panic!("they were issued")
        };
        let (batch, holder) = (issued.id, id("maps"));
        let assign = AssignVoucher { batch, holder, count: 5, eligibility: None };
        self.act("agency", Payload::AssignVoucher(assign));
        let redeem = RedeemVoucher { batch, holder, count: 2, evidence: commitment("use of data") };
        self.act("library", Payload::RedeemVoucher(redeem));
        let expired = self.wait(3 * DAY);
        assert!(expired.iter().any(|receipt| receipt.kind() == Kind::ExpireVouchers), "what is left expires");
    }
}
