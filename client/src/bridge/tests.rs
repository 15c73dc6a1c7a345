use super::*;
use octroi_ledger::Kind as LedgerKind;

fn from_toml(text: &str) -> Json {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn read(text: &str) -> Result<Payload, BridgeError> {
    read_payload(&from_toml(text), &Surroundings::none())
}

#[test]
fn every_template_reads_as_a_payload_and_comes_back_equal() {
    let unread = |kind: &&LedgerKind| Some((kind.name(), read(&template(kind.name()).unwrap()).err()?.to_string()));
    assert_eq!(LedgerKind::ACTIONS.iter().filter_map(|kind| unread(&kind)).collect::<Vec<_>>(), []);
    for kind in LedgerKind::ACTIONS {
        let payload = read(&template(kind.name()).unwrap()).unwrap();
        assert_eq!(payload.kind(), *kind);
        let json = write_payload(&payload);
        assert_eq!(read_payload(&json, &Surroundings::none()).unwrap(), payload, "{json}");
    }
}

#[test]
fn every_template_with_its_optional_lines_reads_as_a_message() {
    for kind in kinds() {
        let text: Vec<_> = template(&kind).unwrap().lines().map(str::to_owned).collect();
        let optional = |line: &str| {
            line.strip_prefix("# ").is_some_and(|rest| {
                rest.starts_with('[')
                    || rest
                        .split_once(" = ")
                        .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            })
        };
        let uncommented: Vec<_> = text.iter().map(|line| if optional(line) { &line[2..] } else { line }).collect();
        let json = from_toml(&uncommented.join("\n"));
        let message = payload_message(&kind).unwrap();
        let one_of_several = |error: &BridgeError| error.reason.starts_with("only one of");
        match read_message(&message, &json[&kind], &Surroundings::none()) {
            Ok(read) => {
                let again = read_message(&message, &write_message(&read), &Surroundings::none()).unwrap();
                assert_eq!(again, read, "{kind}");
            }
            Err(error) => assert!(one_of_several(&error), "{kind}: {error}\n{}", uncommented.join("\n")),
        }
    }
}

#[test]
fn every_kind_of_the_ledger_has_the_same_name_on_the_wire() {
    let names = kinds();
    for kind in LedgerKind::ACTIONS {
        assert!(names.iter().any(|name| name == kind.name()), "{kind}");
    }
}

#[test]
fn sums_are_read_as_people_write_them_and_never_guessed() {
    let eur = |text: &str| parse_amount(text).map(|(minor, currency)| (minor, currency.to_string()));
    for (text, minor) in [
        ("12 500,00 EUR", 1_250_000),
        ("12500 EUR", 1_250_000),
        ("12500.5 EUR", 1_250_050),
        ("EUR 7", 700),
        ("-3,10 €", -310),
        ("12\u{202f}500,00\u{a0}€", 1_250_000),
        ("0 EUR", 0),
    ] {
        assert_eq!(eur(text), Ok((minor, "EUR".to_owned())), "{text}");
    }
    assert_eq!(eur("500 JPY"), Ok((500, "JPY".to_owned())));
    assert_eq!(eur("1.234 BHD"), Ok((1_234, "BHD".to_owned())));
    for text in
        ["12.500 EUR", "12,500 EUR", "1,2,3 EUR", "1.000,00 EUR", "12", "EUR", "1 XXX", "1e3 EUR", "0,001 EUR", ""]
    {
        assert!(parse_amount(text).is_err(), "{text}: {:?}", parse_amount(text));
    }
    assert_eq!(minor_in_words(-1_250_005, octroi_primitives::Currency::EUR), "-12 500,05 EUR");
    assert_eq!(minor_in_words(5, octroi_primitives::Currency::EUR), "0,05 EUR");
    assert_eq!(minor_in_words(1_234_567, octroi_primitives::Currency::new("JPY").unwrap()), "1 234 567 JPY");
}

#[test]
fn times_are_read_absolute_or_after_the_ledgers_time() {
    let day = 86_400_000;
    assert_eq!(parse_time("1970-01-02T00:00:00Z", None), Ok(day));
    assert_eq!(parse_time("1970-01-02T00:00:01.5Z", None), Ok(day + 1_500));
    assert_eq!(parse_time("2027-07-01", None), parse_time("2027-06-30T22:00:00Z", None));
    assert_eq!(parse_time("+3d", Some(5)), Ok(5 + 3 * day));
    assert_eq!(parse_time("now", Some(5)), Ok(5));
    assert_eq!(parse_time("17", None), Ok(17));
    for wrong in ["+3d", "now", "tomorrow", "2027-13-01T00:00:00Z", "2027-01-01T24:00:00Z", "2027-01-01T00:00:00+01:00"]
    {
        assert!(parse_time(wrong, None).is_err(), "{wrong}");
    }
    assert_eq!(time_in_words(octroi_primitives::BlockTime(day + 3_723_000)), "1970-01-02 01:02:03 UTC");
}

#[test]
fn an_unknown_field_is_an_error_with_its_path_and_the_nearest_name() {
    let error = read("[promise_contribution]\nfund = \"commun\"\namout = \"1 EUR\"\n").unwrap_err();
    assert_eq!(error.to_string(), "promise_contribution.amout: no such field; did you mean \"amount\"?");
    let error = read("[promise_contribtion]\n").unwrap_err();
    assert_eq!(error.to_string(), "promise_contribtion: no such kind; did you mean \"promise_contribution\"?");
    let error = read("a = 1\nb = 2\n").unwrap_err();
    assert!(error.to_string().contains("one table whose name is the kind"), "{error}");
}

#[test]
fn values_of_the_wrong_form_say_what_form_is_right() {
    for (line, expected) in [
        (
            "amount = \"12.500 EUR\"",
            "promise_contribution.amount: \"12.500 EUR\" has 3 decimals, EUR has 2; group digits with spaces",
        ),
        ("amount = 5", "promise_contribution.amount: 5 is no sum such as \"12 500,00 EUR\""),
        ("due = \"2027-02-30\"", "promise_contribution.due: \"2027-02-30\" is no date such as 2027-03-31"),
        ("fund = 3", "promise_contribution.fund: 3 is no text; put it in quotes"),
        ("conditions = \"xyz\"", "promise_contribution.conditions: \"xyz\" is not hexadecimal"),
    ] {
        assert_eq!(read(&format!("[promise_contribution]\n{line}\n")).unwrap_err().to_string(), expected);
    }
}

#[test]
fn one_alternative_excludes_the_other() {
    let scope = message("Scope").unwrap();
    let both = serde_json::json!({ "fund": "commun", "schedule": "levy" });
    let error = read_message(&scope, &both, &Surroundings::none()).unwrap_err();
    assert_eq!(error.to_string(), "schedule: only one of fund and schedule can be given");
}

#[test]
fn names_outside_hexadecimal_are_resolved_and_money_is_text_in_json() {
    let resolve: &Resolve<'_> = &|text: &str| {
        text.strip_prefix("org:")
            .map(|code| if code == "region" { Ok(vec![7; 32]) } else { Err(format!("no organisation {code:?}")) })
    };
    let around = Surroundings { now: None, resolve };
    let scope = message("Scope").unwrap();
    let read = read_message(&scope, &serde_json::json!({ "funder": "org:region" }), &around).unwrap();
    assert_eq!(write_message(&read), serde_json::json!({ "funder": "07".repeat(32) }));
    let error = read_message(&scope, &serde_json::json!({ "funder": "org:x" }), &around).unwrap_err();
    assert_eq!(error.to_string(), "funder: no organisation \"x\"");
    let amount =
        read_message(&message("Amount").unwrap(), &serde_json::json!("9 007 199 254 740,93 EUR"), &around).unwrap();
    assert_eq!(write_message(&amount), serde_json::json!({ "minor": "900719925474093", "currency": "EUR" }));
    let clock = read_message(&message("AdvanceClock").unwrap(), &serde_json::json!({ "milliseconds": "30d" }), &around)
        .unwrap();
    assert_eq!(write_message(&clock), serde_json::json!({ "milliseconds": 30u64 * 86_400_000 }));
    let criterion = read_message(
        &message("Criterion").unwrap(),
        &serde_json::json!({ "code": "reach", "weight_ppm": "0,5 %" }),
        &around,
    )
    .unwrap();
    assert_eq!(write_message(&criterion)["weight_ppm"], 5_000);
}
