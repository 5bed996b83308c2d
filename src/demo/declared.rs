//! The federation file that names the demo's members: valid, commented, and honest about what each of them keeps.

use std::fmt::Write as _;

use super::habits::{Habits, Speaks};
use super::server::Running;

const HEAD: &str = r#"# The federation of `stac-broker demo`: five catalogues on this machine, each with habits of its own.
# The addresses hold while that demo runs. Copy the policies, not the addresses.

[federation]
id = "ocean-demo"
title = "Ocean demo federation"
description = "Five embedded catalogues of the sea and of the land beside it, behind one STAC endpoint."

[limits]
member_deadline_ms = 5000         # a member that takes longer is named under federation:missing
"#;

/// What stands below the address of a member.
fn policy(member: &str) -> &'static str {
    match member {
        "EODC" => EODC,
        "GRNET-OPENSTACK" => GRNET,
        "EDITO" => EDITO,
        "EMODnet" => EMODNET,
        _ => CMEMS,
    }
}

const EODC: &str = r#"
[member.capabilities]
string_order = "bytes"            # so a search sorted by id can be merged with others

[member.policy]
priority = 20                     # preferred over the relay where a bare Item address fits both
ids_prefixes = ["S2A_", "S2B_", "LM0"]   # a search by other ids need not come here

[[member.policy.retention]]       # an archive: fixed bounds, nothing comes, nothing goes
collections = ["sentinel-2-*"]
from = "2019-01-01T00:00:00Z"
until = "2024-01-01T00:00:00Z"
focus = { bbox = [4.0, 50.0, 7.0, 53.0] }   # the archive was made for the Low Countries

[[member.policy.retention]]
collections = ["landsat-*"]
from = "1972-01-01T00:00:00Z"
until = "1986-01-01T00:00:00Z"
"#;

const GRNET: &str = r#"
[member.capabilities]
string_order = "bytes"            # capital letters before small ones, as in ASCII

[member.request]
method = "get"                    # it answers 405 to a POST; `auto` would find that out

[member.policy]
priority = 10

[[member.policy.retention]]       # a relay: nothing older than ninety days ...
collections = ["sentinel-2-*"]
keep = "P90D"

[[member.policy.retention]]       # ... or a campaign that was kept; rules for one collection are alternatives
collections = ["sentinel-2-*"]
from = "2023-07-01T00:00:00Z"
until = "2024-01-01T00:00:00Z"

[[member.policy.retention]]
collections = ["sentinel-3-*"]
from = "2021-03-01T00:00:00Z"
until = "2021-12-01T00:00:00Z"
item_span_max = "P1D"             # an Item lasts less than a day, so the window is widened by one
"#;

const EDITO: &str = r#"
[member.request]
dialect = "auto"                  # the default: its landing page says that it is a resto, and it is asked as one

[[member.policy.retention]]       # products of the Marine Service: series that grow, the longest of 47 years
collections = ["GLOBAL_*", "SEALEVEL_*", "SST_*"]
item_span_max = "P47Y"            # it finds Items by their start alone: so far back it is asked for those that last

[[member.policy.retention]]       # coasts: each Item is one instant; no end, as some are projections of the next century
collections = ["*_maps", "cba", "drivers_twl", "eesl", "floodmaps", "gcts", "global-coastal-typology", "sc", "slp", "ssl", "twl_SLR"]
from = "2010-01-01T00:00:00Z"
"#;

const EMODNET: &str = r#"
[member.crawl]
records_as = "items"              # each metadata record is one Item ...
records_collection = "emodnet"    # ... of this Collection
every_s = 21600                   # the default: the catalogue is read again every six hours

[member.policy]
focus = { bbox = [-75.1, 10.9, 73.0, 90.0] }   # European seas and the North Atlantic

[[member.policy.retention]]
from = "1958-01-01T00:00:00Z"
until = "2023-01-01T00:00:00Z"
"#;

const PROCESSES: &str = "
[member.processes]                # it executes processes: those that name its data are sent here
";

const CMEMS: &str = r#"
[member.crawl]
every_s = 21600                   # the default: the files are read again every six hours, those alone that changed

[[member.policy.retention]]
from = "1978-01-01T00:00:00Z"     # the first satellite record of sea ice; no end: products grow
"#;

/// One name for what two members hold alike: (the name, which is also that of each holder's own Collection; the holders).
pub const SHARED: (&str, [&str; 2]) = ("sentinel-2-l2a", ["EODC", "GRNET-OPENSTACK"]);

const SHARED_WORDS: &str = r#"
[[collection]]                    # two members hold it alike: clients see each Item once, under this name
id = "sentinel-2-l2a"
title = "Sentinel-2 surface reflectance"
replicas = "prefer"               # the default: the first holder that covers what is asked, the next if it fails
holders = ["EODC|sentinel-2-l2a", "GRNET-OPENSTACK|sentinel-2-l2a"]
"#;

/// The kind of a member, as the file names it.
fn kind(speaks: Speaks) -> &'static str {
    match speaks {
        Speaks::StacApi(_) | Speaks::Resto => "stac-api",
        Speaks::Files => "static-stac",
        Speaks::Records => "ogc-records",
    }
}

/// The file, with the members at their addresses.
pub fn federation_toml(members: &[Running]) -> String {
    let mut text = HEAD.to_owned();
    for member in members {
        let Habits { id, title, speaks, .. } = *member.habits;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[member]]\nid = \"{id}\"\ntitle = \"{title}\"\nkind = \"{}\"\nurl = \"{}\"\ninternal = true                   # a loopback address\n{}",
            kind(speaks),
            member.url,
            policy(id)
        );
        if let Some((url, _)) = &member.processes {
            let _ = writeln!(text, "{PROCESSES}url = \"{url}\"");
        }
    }
    text.push_str(SHARED_WORDS);
    text
}
