//! Pages of an answer, joined into one.

use serde_json::Value as Json;

/// Rows of an answer that count against the limit: a page of grants holds past grants too.
pub fn rows_of(whole: &Json, field: &str) -> u64 {
    [field, "past_grants"].iter().map(|name| whole[*name].as_array().map_or(0, Vec::len) as u64).sum()
}

/// Joins the lists of a further page; totals are over the whole filter and stay.
pub fn append(whole: &mut Json, page: &mut Json) {
    let (Some(whole), Some(page)) = (whole.as_object_mut(), page.as_object_mut()) else { return };
    for (name, value) in page {
        match (whole.get_mut(name), value) {
            (Some(Json::Array(held)), Json::Array(more)) if !name.contains("totals") => held.append(more),
            (Some(held), value) if name == "page" => *held = value.take(),
            _ => {}
        }
    }
}
