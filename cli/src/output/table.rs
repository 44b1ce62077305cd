//! Columns aligned by spaces, as Go's `text/tabwriter` does for docker and ctr.

/// How wide cells are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// No column is narrower, padding included.
    min_width: usize,
    /// Spaces after the widest cell.
    padding: usize,
    /// Whether tabs fill the cells, to stops of eight, instead of spaces.
    tabs: bool,
}

/// docker's `tabwriter.NewWriter(out, 10, 1, 3, ' ', 0)`.
pub const DOCKER: Layout = Layout { min_width: 10, padding: 3, tabs: false };
/// docker's `tabwriter.NewWriter(out, 20, 1, 3, ' ', 0)` for processes.
pub const DOCKER_WIDE: Layout = Layout { min_width: 20, padding: 3, tabs: false };
/// ctr's usual `tabwriter.NewWriter(out, 1, 8, 1, ' ', 0)`.
pub const CTR: Layout = Layout { min_width: 1, padding: 1, tabs: false };
/// ctr's `tabwriter.NewWriter(out, 4, 8, 4, ' ', 0)` for containers, tasks and processes.
pub const CTR_WIDE: Layout = Layout { min_width: 4, padding: 4, tabs: false };
/// ctr's `tabwriter.NewWriter(out, 1, 8, 1, '\t', 0)` for content.
pub const CTR_TABS: Layout = Layout { min_width: 1, padding: 1, tabs: true };
/// runc's `tabwriter.NewWriter(out, 12, 1, 3, ' ', 0)`.
pub const RUNC: Layout = Layout { min_width: 12, padding: 3, tabs: false };
const TAB: usize = 8;

/// Rows of text in aligned columns.
///
/// As in `tabwriter`, a cell belongs to a column only if something follows it: end a row
/// with an empty cell to have its last text padded, as most of ctr's tables do.
#[derive(Debug)]
pub struct Table {
    layout: Layout,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its header row.
    #[must_use]
    pub fn new(layout: Layout, header: &[&str]) -> Self {
        let mut table = Self { layout, rows: Vec::new() };
        table.row(header.iter().copied());
        table
    }

    /// A table whose header is a row like others.
    #[must_use]
    pub fn bare(layout: Layout) -> Self {
        Self { layout, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The lines, each ended by a line feed.
    #[must_use]
    pub fn render(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            for (index, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if index + 1 < row.len() {
                    self.fill(&mut text, width(cell), widths[index]);
                }
            }
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![self.layout.min_width; columns];
        for row in &self.rows {
            for (index, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
                widths[index] = widths[index].max(width(cell) + self.layout.padding);
            }
        }
        widths
    }

    fn fill(&self, text: &mut String, used: usize, column: usize) {
        if self.layout.tabs {
            let tabs = (column.next_multiple_of(TAB) - used).div_ceil(TAB);
            text.extend(std::iter::repeat_n('\t', tabs));
        } else {
            text.extend(std::iter::repeat_n(' ', column.saturating_sub(used)));
        }
    }
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

/// Cells come from images and users: a control character would move a terminal's cursor
/// or forge a line, so each is shown as a question mark.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copied from docker's documentation of `docker ps` (three spaces, ten at least).
    #[test]
    fn docker_tables_are_spaced_as_published() {
        let mut table = Table::new(
            DOCKER,
            &["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"],
        );
        table.row([
            "4c01db0b339c",
            "redis",
            "\"bash\"",
            "17 seconds ago",
            "Up 16 seconds",
            "",
            "x",
        ]);
        assert_eq!(
            table.render(),
            "CONTAINER ID   IMAGE     COMMAND   CREATED          STATUS          PORTS     NAMES\n\
             4c01db0b339c   redis     \"bash\"    17 seconds ago   Up 16 seconds             x\n"
        );
    }

    /// The rows that ctr's source writes, each text ended by a tab.
    #[test]
    fn ctr_tables_pad_their_last_column_too() {
        let mut table = Table::new(CTR, &["KEY", "PARENT", "KIND", ""]);
        table.row(["redis", "", "Active", ""]);
        assert_eq!(table.render(), "KEY   PARENT KIND   \nredis        Active \n");
    }

    #[test]
    fn cells_that_nothing_follows_widen_no_column() {
        let mut table = Table::new(CTR_WIDE, &["TASK", "PID", "STATUS", ""]);
        table.row(["redis", "4242", "RUNNING"]);
        assert_eq!(table.render(), "TASK     PID     STATUS    \nredis    4242    RUNNING\n");
    }

    #[test]
    fn content_is_aligned_by_tabs() {
        let mut table = Table::new(CTR_TABS, &["DIGEST", "SIZE"]);
        table.row(["sha256:0123456789", "12kB"]);
        assert_eq!(table.render(), "DIGEST\t\t\tSIZE\nsha256:0123456789\t12kB\n");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a?[2Jb?c");
    }
}
