//! Two small pages for people, rendered from the documents that programs get. Self-contained: no script, nothing loaded.

use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#223}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccd;\
    vertical-align:top}code{background:#eef;padding:0 .2rem}a{color:#046}";

/// The landing page.
pub fn landing(catalog: &Value) -> String {
    let mut members = String::new();
    for (id, member) in catalog["federation"].as_object().into_iter().flatten() {
        let cells =
            [id.as_str(), text(&member["title"]), text(&member["status"]), text(&member["last_successful_check"])];
        members += &row(&cells);
    }
    let mut links = String::new();
    for link in catalog["links"].as_array().into_iter().flatten() {
        let method = link["method"].as_str().unwrap_or("GET");
        let title = link["title"].as_str().or(link["href"].as_str()).unwrap_or_default();
        let written = format!(
            "<tr><td>{}</td><td>{}</td><td><a href=\"{}\">{}</a></td></tr>",
            escape(text(&link["rel"])),
            escape(method),
            escape(text(&link["href"])),
            escape(title),
        );
        links += &written;
    }
    let classes = catalog["conformsTo"].as_array().into_iter().flatten();
    let classes: Vec<_> = classes.map(|class| format!("<li><code>{}</code></li>", escape(text(class)))).collect();
    let classes = classes.concat();
    let body = format!(
        "<p>{}</p><h2>Members</h2><table><tr><th>Id<th>Title<th>Status<th>Last answer</tr>{members}</table>\
         <h2>Links</h2><table><tr><th>Relation<th>Method<th>Address</tr>{links}</table>\
         <h2>Conformance</h2><ul>{classes}</ul>",
        escape(text(&catalog["description"])),
    );
    page(text(&catalog["title"]), &body)
}

/// The OpenAPI document as a page.
pub fn api(document: &Value) -> String {
    let mut body = format!(
        "<p>{}</p><p>For programs: <a href=\"api\">OpenAPI 3.0</a></p>",
        escape(text(&document["info"]["description"]))
    );
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            body += &self::operation(document, path, method, operation);
        }
    }
    page(text(&document["info"]["title"]), &body)
}

fn operation(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let mut parameters = String::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolved(document, parameter);
        parameters += &row(&[text(&parameter["name"]), text(&parameter["in"]), text(&parameter["description"])]);
    }
    if !parameters.is_empty() {
        parameters = format!("<table><tr><th>Parameter<th>In<th>Meaning</tr>{parameters}</table>");
    }
    format!(
        "<h2><code>{} {}</code></h2><p>{}</p><p>{}</p>{parameters}",
        escape(&method.to_uppercase()),
        escape(path),
        escape(text(&operation["summary"])),
        escape(text(&operation["description"])),
    )
}

/// Follows a reference inside the document.
pub fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
    format!("<tr>{}</tr>", cells.concat())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body><h1>{title}</h1>{body}</body></html>"
    )
}

/// Text as text, in content and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_members_say_is_text() {
        let catalog = json!({
            "title": "<b>T</b>", "description": "\"d\"", "conformsTo": ["<c>"],
            "links": [{ "rel": "child", "href": "x\"onclick=\"y", "title": "<script>alert(1)</script>" }],
            "federation": { "A": { "title": "<img src=x>", "status": "online" } },
        });
        let page = landing(&catalog);
        for raw in ["<script", "<img", "<b>", "<c>", "x\"onclick"] {
            assert!(!page.contains(raw), "{raw}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }
}
