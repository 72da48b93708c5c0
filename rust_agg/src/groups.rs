//! Which prompts belong to which groups and units, many to many.

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};

/// One row of the table of groups: this prompt is counted in this group, under this unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// The prompt's id.
    pub prompt: u64,
    /// Index into the group names.
    pub group: u32,
    /// Index into the unit names. A unit (an identity term within a group) belongs to one group.
    pub unit: u32,
}

/// The table of groups, checked and sorted. Two tables with the same rows in another order are equal.
#[derive(Clone, Debug)]
pub struct Groups {
    group_names: Vec<String>,
    unit_names: Vec<String>,
    rows: Vec<Membership>,
    prompts: Vec<u64>,
    /// `rows[starts[i]..starts[i + 1]]` are those of prompt i.
    starts: Vec<usize>,
    index: FxHashMap<u64, u32>,
    owners: Vec<Option<u32>>,
}

impl PartialEq for Groups {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
            && self.group_names == other.group_names
            && self.unit_names == other.unit_names
    }
}

impl Groups {
    /// Check and sort the rows.
    ///
    /// # Errors
    /// [`Error::Argument`] for a group name given twice, or two units of one name in one group. [`Error::Data`] for an
    /// index without a name, a row given twice, a prompt twice in one group, a unit in two groups.
    pub fn new(group_names: Vec<String>, unit_names: Vec<String>, mut rows: Vec<Membership>) -> Result<Self> {
        check_group_names(&group_names)?;
        check_indices(&rows, group_names.len(), unit_names.len())?;
        rows.sort_unstable();
        check_pairs(&rows, &group_names, &unit_names)?;
        let owners = groups_of_units(&rows, &group_names, &unit_names)?;
        let (mut prompts, mut starts) = (Vec::new(), Vec::new());
        for (at, row) in rows.iter().enumerate() {
            if prompts.last() != Some(&row.prompt) {
                prompts.push(row.prompt);
                starts.push(at);
            }
        }
        starts.push(rows.len());
        if u32::try_from(prompts.len()).is_err() {
            return Err(Error::data("groups: more than 2^32 prompts"));
        }
        let index = prompts.iter().copied().zip(0..).collect();
        Ok(Self { group_names, unit_names, rows, prompts, starts, index, owners })
    }

    /// Names of the groups, by index.
    #[must_use]
    pub fn group_names(&self) -> &[String] {
        &self.group_names
    }

    /// Names of the units, by index.
    #[must_use]
    pub fn unit_names(&self) -> &[String] {
        &self.unit_names
    }

    /// All rows, sorted by prompt, group and unit.
    #[must_use]
    pub fn rows(&self) -> &[Membership] {
        &self.rows
    }

    /// The prompts, each once, sorted. A prompt's place here is its index everywhere in the crate.
    #[must_use]
    pub fn prompts(&self) -> &[u64] {
        &self.prompts
    }

    /// The index of a prompt, if it is in any group.
    #[must_use]
    pub fn index_of(&self, prompt: u64) -> Option<u32> {
        self.index.get(&prompt).copied()
    }

    /// The groups and units of the prompt with this index.
    #[must_use]
    pub fn members(&self, index: u32) -> &[Membership] {
        let index = index as usize;
        &self.rows[self.starts[index]..self.starts[index + 1]]
    }

    /// The group of a unit; none where no prompt has the unit.
    #[must_use]
    pub fn group_of_unit(&self, unit: usize) -> Option<u32> {
        self.owners[unit]
    }
}

fn check_group_names(names: &[String]) -> Result<()> {
    let mut seen = FxHashMap::default();
    for (at, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, at) {
            return Err(Error::Argument(format!(
                "groups: the name {name:?} stands for groups {first} and {at}"
            )));
        }
    }
    Ok(())
}

fn check_indices(rows: &[Membership], n_groups: usize, n_units: usize) -> Result<()> {
    for (at, row) in rows.iter().enumerate() {
        for (column, index, n) in [("group", row.group, n_groups), ("unit", row.unit, n_units)] {
            if index as usize >= n {
                return Err(Error::data(format!(
                    "groups: row {at} (counted from 0), column {column}: {index} has no name, {n} names are given"
                )));
            }
        }
    }
    Ok(())
}

fn check_pairs(sorted: &[Membership], group_names: &[String], unit_names: &[String]) -> Result<()> {
    for pair in sorted.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if (a.prompt, a.group) != (b.prompt, b.group) {
            continue;
        }
        let (prompt, group) = (a.prompt, &group_names[a.group as usize]);
        let (unit, other) = (&unit_names[a.unit as usize], &unit_names[b.unit as usize]);
        return Err(Error::data(if a.unit == b.unit {
            format!("groups: prompt {prompt} in group {group:?} with unit {unit:?} is given twice")
        } else {
            format!(
                "groups: prompt {prompt} stands twice in group {group:?}, with units {unit:?} and {other:?}"
            )
        }));
    }
    Ok(())
}

fn groups_of_units(
    rows: &[Membership],
    group_names: &[String],
    unit_names: &[String],
) -> Result<Vec<Option<u32>>> {
    let mut groups: Vec<Option<u32>> = vec![None; unit_names.len()];
    for row in rows {
        let group = groups[row.unit as usize].get_or_insert(row.group);
        if *group != row.group {
            let (first, second) = (&group_names[*group as usize], &group_names[row.group as usize]);
            return Err(Error::data(format!(
                "groups: unit {} ({:?}) belongs to one group, found {first:?} and {second:?}",
                row.unit, unit_names[row.unit as usize]
            )));
        }
    }
    let mut seen = FxHashMap::default();
    for (at, (name, group)) in unit_names.iter().zip(&groups).enumerate() {
        let Some(group) = group else { continue };
        if let Some(first) = seen.insert((name, group), at) {
            return Err(Error::Argument(format!(
                "groups: units {first} and {at} of group {:?} have the same name {name:?}",
                group_names[*group as usize]
            )));
        }
    }
    Ok(groups)
}
