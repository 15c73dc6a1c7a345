//! The questions themselves: a table, and the columns that answers are shown in.

use crate::output::{
    Column,
    Show::{self, Count, Id, Minor, Plain, Time},
};

/// A question.
#[derive(Debug)]
pub struct Read {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) service: &'static str,
    pub(super) method: &'static str,
    /// Positional arguments: name, the field of the request as a path with points, whether it must be given.
    pub(super) positional: &'static [(&'static str, &'static str, bool)],
    /// Message of the request whose fields are flags: empty for the request itself, else the name of a field.
    pub(super) flags: Flags,
    pub(super) shows: Shows,
}

/// Which fields of the request are flags.
#[derive(Debug)]
pub(super) enum Flags {
    None,
    /// These fields of the request.
    Some(&'static [&'static str]),
    /// All fields of the message in this field.
    Of(&'static str),
}

/// How an answer is shown.
#[derive(Debug)]
pub(super) enum Shows {
    /// One object, at a pointer into the answer.
    Object(&'static str),
    /// A list, page by page, at a field of the answer.
    List(&'static str, &'static [Column]),
}

const fn column(title: &'static str, pointer: &'static str, show: Show) -> Column {
    Column { title, pointer, show }
}

/// Groups of questions, with what each is about.
pub(super) const GROUPS: &[(&str, &str)] = &[
    ("org", "Organisations"),
    ("project", "Commons projects"),
    ("grant", "Grants: their history, lists, tranches"),
    ("levy", "Levies: what is due, and how it was computed"),
    ("fund", "Funds and their envelopes"),
    ("call", "Calls for applications and what was applied for"),
    ("change", "Changes proposed to the colleges, and their ballots"),
    ("bank", "Bank accounts: statements and open entries"),
    ("account", "Accounts of the double entry"),
    ("block", "Blocks"),
    ("event", "Events"),
    ("peer", "Peers of the node"),
];

const GRANT_COLUMNS: &[Column] = &[
    column("grant", "/id", Plain),
    column("project", "/project_title", Plain),
    column("beneficiary", "/lead_name", Plain),
    column("fund", "/fund_name", Plain),
    column("awarded", "/grant/awarded", Minor("/currency")),
    column("ordered", "/ordered", Minor("/currency")),
    column("paid", "/paid", Minor("/currency")),
    column("status", "/grant/status", Plain),
    column("decided", "/decided_at", Time),
    column("by change", "/decided_by", Id),
];

/// Every question.
pub const READS: &[Read] = &[
    Read {
        group: "org",
        name: "show",
        about: "An organisation: identifiers, offices, keys, roles",
        service: "FundingService",
        method: "GetOrganisation",
        positional: &[("org", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/organisation"),
    },
    Read {
        group: "org",
        name: "find",
        about: "Organisations by an identifier or part of a name",
        service: "FundingService",
        method: "FindOrganisation",
        positional: &[],
        flags: Flags::Some(&["scheme", "value", "name_contains"]),
        shows: Shows::List(
            "organisations",
            &[
                column("organisation", "/id", Plain),
                column("name", "/organisation/name", Plain),
                column("kind", "/organisation/kind", Plain),
                column("status", "/organisation/status", Plain),
            ],
        ),
    },
    Read {
        group: "project",
        name: "show",
        about: "A project",
        service: "FundingService",
        method: "GetProject",
        positional: &[("project", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/project"),
    },
    Read {
        group: "project",
        name: "list",
        about: "Projects",
        service: "FundingService",
        method: "ListProjects",
        positional: &[],
        flags: Flags::Some(&["holder", "category", "territory"]),
        shows: Shows::List(
            "projects",
            &[
                column("project", "/id", Plain),
                column("title", "/project/title", Plain),
                column("licence", "/project/licence", Plain),
            ],
        ),
    },
    Read {
        group: "grant",
        name: "history",
        about: "What a project or organisation was granted, decided by whom, paid when",
        service: "FundingService",
        method: "GetGrantHistory",
        positional: &[],
        flags: Flags::Some(&["project", "organisation", "identifier"]),
        shows: Shows::List("grants", GRANT_COLUMNS),
    },
    Read {
        group: "grant",
        name: "list",
        about: "Grants of this ledger and past grants declared on it",
        service: "FundingService",
        method: "ListGrants",
        positional: &[],
        flags: Flags::Of("filter"),
        shows: Shows::List("grants", GRANT_COLUMNS),
    },
    Read {
        group: "grant",
        name: "show",
        about: "A grant with its tranches, payouts and story",
        service: "FundingService",
        method: "GetGrant",
        positional: &[("grant", "id", true)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "grant",
        name: "tranches",
        about: "Tranches by due date",
        service: "FundingService",
        method: "ListTranches",
        positional: &[],
        flags: Flags::Some(&["fund", "grant"]),
        shows: Shows::List(
            "tranches",
            &[
                column("grant", "/grant", Id),
                column("tranche", "/tranche/number", Plain),
                column("kind", "/tranche/kind", Plain),
                column("due", "/tranche/due", Plain),
                column("minor", "/tranche/amount", Plain),
                column("parts", "/tranche/parts", Count),
            ],
        ),
    },
    Read {
        group: "levy",
        name: "status",
        about: "What a payer owes and has paid",
        service: "FundingService",
        method: "GetLevyStatus",
        positional: &[("payer", "payer", true), ("schedule", "schedule", true), ("period", "period", false)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "levy",
        name: "explain",
        about: "The computation of an assessment, line by line",
        service: "FundingService",
        method: "ExplainAssessment",
        positional: &[("payer", "payer", true), ("schedule", "schedule", true), ("period", "period", true)],
        flags: Flags::None,
        shows: Shows::Object("/assessment"),
    },
    Read {
        group: "levy",
        name: "list",
        about: "The register of a schedule",
        service: "FundingService",
        method: "ListLevies",
        positional: &[("schedule", "schedule", true), ("period", "period", false)],
        flags: Flags::None,
        shows: Shows::List(
            "levies",
            &[
                column("payer", "/payer_name", Plain),
                column("period", "/period", Plain),
                column("status", "/levy/status", Plain),
                column("reference", "/reference", Plain),
            ],
        ),
    },
    Read {
        group: "fund",
        name: "show",
        about: "A fund's accounts by class, and whether they balance",
        service: "FundingService",
        method: "GetFund",
        positional: &[("fund", "fund", true)],
        flags: Flags::None,
        shows: Shows::Object("/fund"),
    },
    Read {
        group: "fund",
        name: "list",
        about: "Funds",
        service: "FundingService",
        method: "ListFunds",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "funds",
            &[
                column("fund", "/code", Plain),
                column("name", "/fund/name", Plain),
                column("bank", "/bank", Minor("/currency")),
                column("unallocated", "/unallocated", Minor("/currency")),
                column("envelopes", "/envelope_total", Minor("/currency")),
                column("encumbered", "/encumbered", Minor("/currency")),
                column("balances", "/balances", Plain),
            ],
        ),
    },
    Read {
        group: "call",
        name: "show",
        about: "A call",
        service: "FundingService",
        method: "GetCall",
        positional: &[("call", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/call"),
    },
    Read {
        group: "call",
        name: "list",
        about: "Calls",
        service: "FundingService",
        method: "ListCalls",
        positional: &[],
        flags: Flags::Some(&["fund"]),
        shows: Shows::List(
            "calls",
            &[
                column("call", "/id", Plain),
                column("title", "/call/title", Plain),
                column("budget", "/call/budget", Plain),
                column("closes", "/call/closes_at", Time),
                column("applications", "/call/applications", Plain),
                column("state", "/state", Plain),
            ],
        ),
    },
    Read {
        group: "call",
        name: "applications",
        about: "Applications of a call or of an applicant",
        service: "FundingService",
        method: "ListApplications",
        positional: &[],
        flags: Flags::Some(&["call", "applicant"]),
        shows: Shows::List(
            "applications",
            &[
                column("application", "/id", Plain),
                column("number", "/application/number", Plain),
                column("title", "/application/title", Plain),
                column("requested", "/application/requested", Plain),
                column("score", "/application/score", Plain),
                column("status", "/application/status", Plain),
            ],
        ),
    },
    Read {
        group: "promise",
        name: "show",
        about: "A promise, what was received of it, and the reference its payer writes",
        service: "FundingService",
        method: "GetPromise",
        positional: &[("promise", "id", true)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "change",
        name: "show",
        about: "A change with its ballots",
        service: "FundingService",
        method: "GetChange",
        positional: &[("change", "id", true)],
        flags: Flags::None,
        shows: Shows::Object("/change"),
    },
    Read {
        group: "change",
        name: "list",
        about: "Changes",
        service: "FundingService",
        method: "ListChanges",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "changes",
            &[
                column("change", "/id", Plain),
                column("proposer", "/proposer_name", Plain),
                column("status", "/change/status", Plain),
                column("opens", "/change/opens_at", Time),
                column("closes", "/change/closes_at", Time),
            ],
        ),
    },
    Read {
        group: "bank",
        name: "show",
        about: "A bank account: last statement, open entries",
        service: "FundingService",
        method: "GetReconciliation",
        positional: &[("account", "account", true)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "account",
        name: "show",
        about: "The balance of an account by its canonical name",
        service: "LedgerService",
        method: "GetAccount",
        positional: &[("account", "account", true)],
        flags: Flags::None,
        shows: Shows::Object("/account"),
    },
    Read {
        group: "account",
        name: "list",
        about: "The accounts of a fund",
        service: "LedgerService",
        method: "ListAccounts",
        positional: &[("fund", "fund", true)],
        flags: Flags::Some(&["prefix"]),
        shows: Shows::List(
            "accounts",
            &[
                column("account", "/account", Plain),
                column("class", "/class", Plain),
                column("balance", "/balance", Minor("/balance/currency")),
            ],
        ),
    },
    Read {
        group: "account",
        name: "postings",
        about: "The postings of an account, newest first",
        service: "LedgerService",
        method: "ListPostings",
        positional: &[("account", "account", true)],
        flags: Flags::None,
        shows: Shows::List(
            "postings",
            &[
                column("height", "/height", Plain),
                column("time", "/time", Time),
                column("kind", "/kind", Plain),
                column("minor", "/posting/amount", Plain),
                column("transaction", "/transaction", Id),
            ],
        ),
    },
    Read {
        group: "block",
        name: "show",
        about: "A block with its receipts; without a height the latest",
        service: "LedgerService",
        method: "GetBlock",
        positional: &[("height", "height", false)],
        flags: Flags::None,
        shows: Shows::Object(""),
    },
    Read {
        group: "block",
        name: "list",
        about: "Blocks, newest first",
        service: "LedgerService",
        method: "ListBlocks",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "blocks",
            &[
                column("height", "/header/height", Plain),
                column("time", "/header/time", Time),
                column("transactions", "/transactions", Plain),
                column("state root", "/header/state_root", Id),
                column("block", "/id", Id),
            ],
        ),
    },
    Read {
        group: "event",
        name: "list",
        about: "Events, oldest first",
        service: "EventService",
        method: "ListEvents",
        positional: &[("after", "after_cursor", false)],
        flags: Flags::Of("filter"),
        shows: Shows::List("events", crate::commands::watch::COLUMNS),
    },
    Read {
        group: "peer",
        name: "list",
        about: "Whom the node is connected to",
        service: "NodeService",
        method: "ListPeers",
        positional: &[],
        flags: Flags::None,
        shows: Shows::List(
            "peers",
            &[
                column("network key", "/network_key", Plain),
                column("role", "/role", Plain),
                column("address", "/address", Plain),
                column("connected", "/connected", Plain),
                column("height", "/height", Plain),
            ],
        ),
    },
];

/// Past grants, which a page of grants may hold beside them.
pub(super) const PAST_GRANT_COLUMNS: &[Column] = &[
    column("past grant", "/id", Id),
    column("funder", "/declaration/funder/name", Plain),
    column("beneficiary", "/declaration/beneficiary/name", Plain),
    column("date", "/declaration/date", Plain),
    column("amount", "/declaration/amount", Minor("/declaration/amount/currency")),
    column("purpose", "/declaration/purpose", Plain),
];
