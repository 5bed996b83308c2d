//! `[telemetry]`: where the line of each search goes, and who collects traces.

use crate::federation::file::Keys;
use crate::federation::{AccessLog, Telemetry};

use super::values;

pub(super) fn read(keys: &Keys<'_>) -> Telemetry {
    let mut telemetry = Telemetry::default();
    if let Some(at) = keys.text("access_log") {
        telemetry.access_log = match at.value {
            "log" => AccessLog::Log,
            "off" => AccessLog::Off,
            "" => {
                let hint = Some("write `access_log = \"access.log\"`".to_owned());
                at.refuse(keys.notes, "bad-value", "neither \"log\", \"off\" nor the path of a file", hint);
                AccessLog::Off
            }
            // Not one of the files that the federation is made of: a line in it is no change of the federation.
            path => AccessLog::File(keys.notes.folder.join(path)),
        };
    }
    telemetry.otlp_url = keys.text("otlp_url").and_then(|at| values::base_url(keys.notes, &at));
    let percent = keys.number("otlp_percent", 0..=100);
    if let Some(percent) = percent.as_ref().and_then(|at| u8::try_from(at.value).ok()) {
        telemetry.otlp_percent = percent;
    }
    if let (Some(at), false) = (percent, keys.has("otlp_url")) {
        let hint = Some("add `otlp_url`, or remove `otlp_percent`".to_owned());
        at.blame(keys.notes, "contradicting-keys", "is a share of traces that nobody collects", hint);
    }
    keys.finish();
    telemetry
}
