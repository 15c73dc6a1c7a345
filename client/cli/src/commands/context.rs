//! `octroi context`: named settings, kept in one file.

use crate::{
    arguments::Context,
    failure::{Failure, Result},
    output::{Column, Show},
    session::{Contexts, Session},
};
use serde_json::{Value as Json, json};

/// Shows them. They are written by hand or by whoever makes a network; the file is short.
pub fn run(session: &Session, command: &Context) -> Result<()> {
    let path = Contexts::path()
        .ok_or_else(|| Failure::config("neither OCTROI_CONFIG nor HOME says where the file of contexts is"))?;
    match command {
        Context::Path => {
            session.printer.object(&json!({ "path": path.display().to_string(), "exists": path.exists() }))
        }
        Context::List => {
            let Contexts { default, contexts } = Contexts::load()?;
            let rows: Vec<Json> = contexts
                .iter()
                .map(|(name, context)| {
                    let mut row = json!({ "name": name, "default": default.as_ref() == Some(name) });
                    row["settings"] = serde_json::to_value(context).unwrap_or_default();
                    row["endpoints"] = json!(context.endpoints.join(", "));
                    row
                })
                .collect();
            let column = |title, pointer| Column { title, pointer, show: Show::Plain };
            session.printer.list(
                &json!({ "contexts": rows }),
                &rows,
                &[
                    column("context", "/name"),
                    column("default", "/default"),
                    column("endpoints", "/endpoints"),
                    column("as", "/settings/as"),
                ],
            )
        }
    }
}
