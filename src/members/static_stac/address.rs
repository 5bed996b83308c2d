//! Which document a link means. Only what lies below the configured base belongs to the catalogue.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::federation;

/// Longest address that is followed; servers refuse longer ones.
const ADDRESS_BYTES_MAX: usize = 2_048;
/// The root document where the configured address names a folder.
const ROOT: &str = "catalog.json";

/// The folder that the catalogue lies in, and other addresses of the same folder. Each ends with a slash.
#[derive(Debug, Clone)]
pub struct Base {
    base: Url,
    aliases: Vec<Url>,
}

impl Base {
    pub fn of(member: &federation::Member) -> Self {
        let folder = |url: &Url| {
            let mut url = url.clone();
            let path = format!("{}/", url.path().trim_end_matches('/'));
            url.set_path(&path);
            url
        };
        Self { base: folder(&member.base()), aliases: member.aliases.iter().map(folder).collect() }
    }

    /// The root document.
    pub fn root(url: &Url) -> Url {
        if url.path().ends_with('/') { url.join(ROOT).unwrap_or_else(|_| url.clone()) } else { url.clone() }
    }

    /// The document that a link means, at the configured base.
    ///
    /// # Errors
    /// Why it is none of the catalogue's.
    pub fn resolve(&self, document: &Url, href: &str) -> Result<Url, &'static str> {
        if href.len() > ADDRESS_BYTES_MAX {
            return Err("its address is longer than 2048 bytes");
        }
        let mut url = document.join(href.trim()).map_err(|_no_address| "it is no address")?;
        if self.is_folder() && self.leaves(document, href) {
            return Err("it leads outside the folder");
        }
        url.set_fragment(None);
        if url.query() == Some("") {
            url.set_query(None);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user or a password in its address");
        }
        let lower = url.path().to_ascii_lowercase();
        if lower.contains("%2f") || lower.contains("%5c") || lower.contains("%00") {
            // what servers take for a way out of the folder
            return Err("its address has a slash in disguise");
        }
        let bases = std::iter::once(&self.base).chain(&self.aliases);
        let below = bases
            .filter(|base| base.scheme() == url.scheme() && base.host() == url.host())
            .filter(|base| base.port_or_known_default() == url.port_or_known_default())
            .find_map(|base| url.path().strip_prefix(base.path()));
        let Some(rest) = below.map(str::to_owned) else { return Err("it leads outside the catalogue's own address") };
        let mut own = self.base.clone();
        own.set_path(&format!("{}{rest}", self.base.path()));
        own.set_query(url.query());
        Ok(own)
    }

    /// Whether the catalogue lies in a folder of this machine.
    pub fn is_folder(&self) -> bool {
        self.base.scheme() == "file"
    }

    /// Whether a relative link has more `..` than there are folders above its document. A folder is the root of its
    /// addresses, above which there is nothing: what leads there would be taken for a file of the folder.
    fn leaves(&self, document: &Url, href: &str) -> bool {
        let href = href.trim();
        if href.starts_with(['/', '\\']) || Url::parse(href).is_ok() {
            // It begins at the root, or is an address of its own: whether that is below a base is seen there.
            return false;
        }
        let path = href.split(['?', '#']).next().unwrap_or_default();
        let folders = document.path().strip_prefix(self.base.path()).unwrap_or_default().matches('/').count();
        let mut depth = i64::try_from(folders).unwrap_or(i64::MAX);
        for part in path.split(['/', '\\']) {
            match percent_decode_str(part).decode_utf8_lossy().as_ref() {
                "" | "." => {}
                ".." => depth -= 1,
                _ => depth += 1,
            }
            if depth < 0 {
                return true;
            }
        }
        false
    }

    /// What an address comes down to: two spellings of one document have the same key.
    pub fn key(url: &Url) -> String {
        let mut key = String::with_capacity(url.as_str().len());
        let mut slash = false;
        // of a percent-encoded letter that needs no encoding the letter stays
        let decoded = percent_decode_str(url.path()).decode_utf8_lossy();
        for letter in decoded.chars() {
            if letter == '/' && slash {
                continue;
            }
            slash = letter == '/';
            key.push(letter);
        }
        if let Some(query) = url.query() {
            key.push('?');
            key.push_str(query);
        }
        key
    }

    /// The name of a document for people: its address below the base.
    pub fn name(&self, url: &Url) -> String {
        let rest = url.path().strip_prefix(self.base.path()).unwrap_or(url.path());
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", percent_decode_str(rest).decode_utf8_lossy())
    }

    /// The path of a document below the base, part by part as files are named; `None` when a part is no file name.
    pub fn parts(&self, url: &Url) -> Option<Vec<String>> {
        let rest = url.path().strip_prefix(self.base.path())?;
        let part = |part: &str| {
            let name = percent_decode_str(part).decode_utf8().ok()?.into_owned();
            let plain = !matches!(name.as_str(), "." | "..") && !name.contains(['/', '\\', '\0', ':']);
            plain.then_some(name)
        };
        rest.split('/').filter(|part| !part.is_empty()).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        let url = |text: &str| Url::parse(text).unwrap();
        Base { base: url("http://127.0.0.1:8000/cat/"), aliases: vec![url("https://stac.example/public/")] }
    }

    fn resolved(href: &str) -> Result<String, &'static str> {
        let document = Url::parse("http://127.0.0.1:8000/cat/product/product.json").unwrap();
        base().resolve(&document, href).map(String::from)
    }

    #[test]
    fn a_link_out_of_a_folder_is_told_as_such() {
        let base = Base { base: Url::parse("file:///").unwrap(), aliases: Vec::new() };
        let document = Url::parse("file:///product/product.json").unwrap();
        let resolved = |href: &str| base.resolve(&document, href).map(String::from);
        for out in ["../../secret.json", "..\\..\\secret.json", "%2e%2e/../secret.json", "x/../../../a/b.json", "../.."]
        {
            assert_eq!(resolved(out), Err("it leads outside the folder"), "{out}");
        }
        assert_eq!(resolved("../catalog.json").as_deref(), Ok("file:///catalog.json"));
        assert_eq!(resolved("a/../../catalog.json?x=../../..").as_deref(), Ok("file:///catalog.json?x=../../.."));
        assert_eq!(resolved("/other/item.json").as_deref(), Ok("file:///other/item.json"), "from the folder's root");
    }

    #[test]
    fn links_start_from_the_document_that_holds_them() {
        let own = |rest: &str| Ok(format!("http://127.0.0.1:8000/cat/{rest}"));
        assert_eq!(resolved("item.json"), own("product/item.json"));
        assert_eq!(resolved("./x/../item.json#top"), own("product/item.json"));
        assert_eq!(resolved(" ../catalog.json "), own("catalog.json"));
        assert_eq!(resolved("/cat/a.json?"), own("a.json"));
        assert_eq!(resolved("https://stac.example/public/a/b.json"), own("a/b.json"), "the published address");
        assert_eq!(resolved("item.json?v=2"), own("product/item.json?v=2"));
    }

    #[test]
    fn what_lies_elsewhere_is_none_of_the_catalogue() {
        for href in [
            "../../other/catalog.json",
            "/catalogue/a.json",
            "https://127.0.0.1:8000/cat/a.json",
            "http://127.0.0.1:8001/cat/a.json",
            "http://user@127.0.0.1:8000/cat/a.json",
            "http://169.254.169.254/cat/a.json",
            "https://stac.example/a.json",
            "//stac.example/public/a.json",
            "file:///etc/passwd",
            "a/..%2f..%2f..%2fetc/passwd",
            "a/..%5c..%5csecret",
            "javascript:alert(1)",
            "data:application/json,{}",
            "http://[broken",
        ] {
            assert!(resolved(href).is_err(), "{href}: {:?}", resolved(href));
        }
        assert!(resolved(&"a".repeat(3_000)).is_err());
        let up = resolved("%2e%2e/%2e%2e/etc").unwrap_err();
        assert_eq!(up, "it leads outside the catalogue's own address");
    }

    #[test]
    fn two_spellings_of_one_document_have_one_key() {
        let key = |href: &str| Base::key(&Url::parse(&resolved(href).unwrap()).unwrap());
        for other in ["./item.json", "%69tem.json", "../product//item.json", "item.json#a", "../product/./item.json"] {
            assert_eq!(key("item.json"), key(other), "{other}");
        }
        for other in ["Item.json", "item.json?a", "item.jso"] {
            assert_ne!(key("item.json"), key(other), "{other}");
        }
    }

    #[test]
    fn parts_are_file_names() {
        let parts = |text: &str| base().parts(&Url::parse(&format!("http://127.0.0.1:8000/cat/{text}")).unwrap());
        assert_eq!(parts("a%20b//c.json").unwrap(), ["a b", "c.json"]);
        assert_eq!(parts("a%2fb"), None);
        assert_eq!(parts("a%00"), None);
    }
}
