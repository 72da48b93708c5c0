//! Which blocks of counters the rows of a prompt go to.

use rustc_hash::FxHashMap;

use crate::groups::{Groups, Membership};

/// Prompts that belong to the same groups share one block, which is added to each of these groups at the end: a row is
/// then counted once, whatever the number of groupings. Where there are too many different sets of groups for that,
/// every group is a block and a row is counted once for each of its groups.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// `blocks[starts[i]..starts[i + 1]]` are those of prompt i.
    starts: Vec<u32>,
    blocks: Vec<u32>,
    targets: Vec<Vec<u32>>,
    is_shared: bool,
}

impl Plan {
    /// Where the prompts of `groups` are counted by group. At most `largest` blocks are shared.
    #[must_use]
    pub fn of_groups(groups: &Groups, largest: usize) -> Self {
        Self::of(groups, |member| member.group, groups.group_names().len(), largest)
    }

    /// Where they are counted by unit.
    #[must_use]
    pub fn of_units(groups: &Groups) -> Self {
        Self::of(groups, |member| member.unit, groups.unit_names().len(), usize::MAX)
    }

    fn of(groups: &Groups, target: fn(&Membership) -> u32, n_targets: usize, largest: usize) -> Self {
        let prompts = 0..u32::try_from(groups.prompts().len()).unwrap_or(u32::MAX);
        let targets = prompts.map(|index| groups.members(index).iter().map(target).collect());
        Self::new(targets, n_targets, largest)
    }

    /// For each prompt the targets (groups, or units) that it is counted in, sorted, of `n_targets` in all. At most
    /// `largest` blocks are shared.
    #[must_use]
    pub fn new<'a>(
        prompts: impl Iterator<Item = Vec<u32>> + Clone + 'a,
        n_targets: usize,
        largest: usize,
    ) -> Self {
        Self::sets(prompts.clone(), largest.min(2 * n_targets + 16))
            .unwrap_or_else(|| Self::direct(prompts, n_targets))
    }

    fn sets(prompts: impl Iterator<Item = Vec<u32>>, limit: usize) -> Option<Self> {
        let mut known: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut blocks = Vec::new();
        for targets in prompts {
            let next = u32::try_from(known.len()).ok()?;
            blocks.push(*known.entry(targets).or_insert(next));
            if known.len() > limit {
                return None;
            }
        }
        let starts = (0..=u32::try_from(blocks.len()).ok()?).collect();
        let mut targets = vec![Vec::new(); known.len()];
        for (set, block) in known {
            targets[block as usize] = set;
        }
        Some(Self { starts, blocks, targets, is_shared: true })
    }

    fn direct(prompts: impl Iterator<Item = Vec<u32>>, n_targets: usize) -> Self {
        let (mut starts, mut blocks) = (vec![0], Vec::new());
        for targets in prompts {
            blocks.extend(targets);
            starts.push(u32::try_from(blocks.len()).unwrap_or(u32::MAX));
        }
        let targets = (0..).map(|target| vec![target]).take(n_targets).collect();
        Self { starts, blocks, targets, is_shared: false }
    }

    /// The blocks of the prompt with this index.
    #[must_use]
    pub fn blocks(&self, prompt: u32) -> &[u32] {
        let prompt = prompt as usize;
        &self.blocks[self.starts[prompt] as usize..self.starts[prompt + 1] as usize]
    }

    /// Whether every prompt has one block.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The one block of a prompt, or the block after the last for a prompt in no group; none where a prompt may have
    /// several blocks.
    #[must_use]
    pub fn shared(&self, prompt: Option<u32>) -> Option<u32> {
        let no_group = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        self.is_shared.then(|| prompt.map_or(no_group, |prompt| self.blocks[prompt as usize]))
    }

    /// For each block, the groups or units that it is added to.
    #[must_use]
    pub fn targets(&self) -> &[Vec<u32>] {
        &self.targets
    }
}
