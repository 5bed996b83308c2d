//! Members' Collections as the log tells them: what a plan knew beside the federation file.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::collections::{Entry, Ids, Known, MemberView};
use crate::federation::{Area, Federation, Interval, Member, MemberId, Patterns};
use crate::telemetry::access::{Collection, Collections};

/// The lists of one federation's members, as last told.
#[derive(Default)]
pub(super) struct Facts {
    members: HashMap<MemberId, MemberView>,
}

impl Facts {
    /// Takes a list; that of a member which the federation does not have says nothing.
    pub(super) fn take(&mut self, federation: &Federation, ids: &Ids, told: &Collections) {
        let Some(member) = federation.member(&told.member) else { return };
        self.members.insert(member.id.clone(), view(member, ids, told));
    }

    pub(super) fn of(&self, member: &MemberId) -> Option<&MemberView> {
        self.members.get(member)
    }
}

fn view(member: &Member, ids: &Ids, told: &Collections) -> MemberView {
    let seen = told.collections.iter().filter(|one| member.policy.sees(&one.id));
    let mut entries: Vec<_> = seen.map(|one| Arc::new(entry(member, ids, one))).collect();
    entries.sort_by(|a, b| a.native_id.cmp(&b.native_id));
    let proves = told.complete && hides_no_less(member, told);
    let known = if proves { Known::Complete } else { Known::Unknown };
    MemberView { entries, known, ..MemberView::unread(&member.id) }
}

/// Whether the policy hides all that was hidden when the list was written: what it newly lets in is not in the list.
fn hides_no_less(member: &Member, told: &Collections) -> bool {
    let policy = &member.policy;
    let all = |list: &[String]| list.iter().any(|pattern| pattern == "*");
    // A pattern without wildcards is an id, and a glob can be asked about it.
    let is_plain = |pattern: &String| !pattern.contains(['*', '?', '[', '{', '\\']);
    let before = Patterns::new(&told.include).unwrap_or_else(|_| Patterns::nothing());
    let let_in = |pattern: &String| told.include.contains(pattern) || (is_plain(pattern) && before.matches(pattern));
    let included = all(&told.include) || policy.include.written.iter().all(let_in);
    included && told.exclude.iter().all(|pattern| policy.exclude.written.contains(pattern))
}

fn entry(member: &Member, ids: &Ids, told: &Collection) -> Entry {
    let area = told.bboxes.as_ref().map(|boxes| Area {
        boxes: boxes
            .iter()
            .map(|[west, south, east, north]| geo::Rect::new((*west, *south), (*east, *north)))
            .collect(),
        geometry: None,
    });
    Entry {
        member: member.id.clone(),
        native_id: told.id.clone(),
        exposed_id: ids.qualified(&member.id, &told.id),
        document: Bytes::new(),
        title: None,
        area: area.filter(|area| !area.boxes.is_empty()),
        interval: told.datetime.as_deref().and_then(|text| Interval::from_param(text).ok()),
        words: Box::default(),
        places: Vec::new(),
        behind: None,
    }
}
