//! From bytes to records of cells: encoding, quotes, line numbers.
//!
//! Promises: every byte of the file belongs to the header, to exactly one record, to a blank line or to a line end;
//! nothing is dropped. A text whose cells can be cut in two ways is no record of cells but [`Malformed`].
//! Must not know: what a column means.
//!
//! The encoding is judged line by line, as the page on formats asks: a line of valid UTF-8 is UTF-8, any other is
//! Windows-1252. Real files change their encoding half way down, and put a byte order mark before either.

use std::borrow::Cow;

/// The longest record read, in bytes. Longer lines are refused, so that one stray quote cannot swallow a file.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The most lines one record may span through line breaks inside quotes.
pub const RECORD_LINES_MAX: u32 = 64;

/// The mark some programs put before UTF-8, and some before anything at all.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What the bytes of the lines turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Whether the file begins with a UTF-8 byte order mark, which says nothing about what follows it.
    pub byte_order_mark: bool,
    /// Lines of ASCII alone, which are the same in both encodings.
    pub ascii_lines: u32,
    /// Lines that are valid UTF-8 and hold more than ASCII.
    pub utf8_lines: u32,
    /// Lines that are no valid UTF-8 and were read as Windows-1252.
    pub cp1252_lines: u32,
}

impl Encoding {
    /// Judges every line of a file.
    pub(super) fn judge(bytes: &[u8]) -> Self {
        let (byte_order_mark, body) = without_mark(bytes);
        let mut judged = Self { byte_order_mark, ..Self::default() };
        let mut lines = Lines::new(body);
        while let Some(line) = lines.next_line() {
            let count = if line.bytes.is_ascii() {
                &mut judged.ascii_lines
            } else if std::str::from_utf8(line.bytes).is_ok() {
                &mut judged.utf8_lines
            } else {
                &mut judged.cp1252_lines
            };
            *count = count.saturating_add(1);
        }
        judged
    }

    /// Whether the file changes its encoding on the way (`mixed_encoding`).
    #[must_use]
    pub const fn is_mixed(&self) -> bool {
        self.utf8_lines > 0 && self.cp1252_lines > 0
    }

    /// The word of the report: `utf-8`, `windows-1252` or `mixed_encoding`; ASCII counts as UTF-8.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if self.is_mixed() {
            "mixed_encoding"
        } else if self.cp1252_lines > 0 {
            "windows-1252"
        } else {
            "utf-8"
        }
    }
}

/// What separates two cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`, which the format asks for.
    Comma,
    /// `;`, which French spreadsheets write.
    Semicolon,
    /// A tabulator.
    Tab,
    /// `|`.
    Bar,
}

impl Delimiter {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Bar];

    /// The byte itself; ASCII, so it never lies inside another character of UTF-8.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Bar => b'|',
        }
    }

    /// The word of the report.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
            Self::Bar => "bar",
        }
    }
}

/// Why a text has no certain cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Longer than [`RECORD_BYTES_MAX`].
    TooLong,
    /// A quote is opened and not closed within the limits; the line is refused alone and reading goes on after it.
    QuoteOpen,
    /// A closing quote is followed by more text; the line is refused alone.
    QuoteInside,
    /// A quoted cell with line breaks holds so many delimiters that it may be two rows glued by a stray quote.
    /// The whole stretch is refused as one record: either reading of it would be a guess.
    Glued,
}

/// The cells of one record, kept in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cells {
    text: String,
    ends: Vec<usize>,
}

impl Cells {
    /// How many cells there are; at least one.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell at `index` from 0, or nothing behind the last.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start..end)
    }

    /// All cells in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map_while(|index| self.get(index))
    }

    /// Whether no cell holds anything but white space: such a record is a blank line and no row.
    pub(super) fn is_blank(&self) -> bool {
        self.text.chars().all(char::is_whitespace)
    }

    fn close(&mut self) {
        self.ends.push(self.text.len());
    }
}

/// One record of the file.
pub(super) struct Record<'a> {
    /// The line on which it begins, from 1.
    pub(super) line: u32,
    /// Its bytes as they are in the file, without the line end behind it.
    pub(super) bytes: &'a [u8],
    /// Its cells, or why they cannot be told apart.
    pub(super) cells: Result<Cells, Malformed>,
}

/// Cuts a file into records, one after another.
#[derive(Clone)]
pub(super) struct Records<'a> {
    lines: Lines<'a>,
    delimiter: Delimiter,
    /// The cells of the header, from which [`Malformed::Glued`] is judged; 0 while the header itself is read.
    width: usize,
}

impl<'a> Records<'a> {
    /// Begins at the head of a file, behind its byte order mark.
    pub(super) fn new(bytes: &'a [u8], delimiter: Delimiter) -> Self {
        let (_, body) = without_mark(bytes);
        Self { lines: Lines::new(body), delimiter, width: 0 }
    }

    /// Tells how many cells the header has; the records after it are judged by this.
    pub(super) fn set_width(&mut self, width: usize) {
        self.width = width;
    }

    /// The next record, or nothing at the end of the file.
    pub(super) fn next_record(&mut self) -> Option<Record<'a>> {
        let first = self.lines.next_line()?;
        let after_first = self.lines.clone();
        let outcome = self.cells_from(&first);
        let end = match outcome {
            // These two stretch over all the lines that were read for them.
            Ok(_) | Err(Malformed::Glued) => self.lines.ended,
            Err(Malformed::TooLong | Malformed::QuoteOpen | Malformed::QuoteInside) => {
                self.lines = after_first;
                first.start + first.bytes.len()
            }
        };
        let bytes = self.lines.bytes.get(first.start..end).unwrap_or(first.bytes);
        Some(Record { line: first.number, bytes, cells: outcome })
    }

    fn cells_from(&mut self, first: &Line<'a>) -> Result<Cells, Malformed> {
        if first.bytes.len() > RECORD_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let delimiter = self.delimiter.byte();
        let mut cells = Cells::default();
        let mut glued = false;
        let mut text = decode(first.bytes);
        let mut rest_at = 0;
        loop {
            // Every index below is that of an ASCII byte or of an end, hence on a character boundary.
            let rest = text.get(rest_at..).unwrap_or("");
            let Some(quoted) = rest.strip_prefix('"') else {
                let end = rest.bytes().position(|byte| byte == delimiter).unwrap_or(rest.len());
                cells.text.push_str(rest.get(..end).unwrap_or(""));
                cells.close();
                if end == rest.len() {
                    break;
                }
                rest_at += end + 1;
                continue;
            };
            // Within quotes: until a quote that is not doubled, over line breaks if need be.
            let cell_begins = cells.text.len();
            let mut spans_lines = false;
            let mut at = text.len() - quoted.len();
            loop {
                let tail = text.get(at..).unwrap_or("");
                if let Some(quote) = tail.find('"') {
                    cells.text.push_str(tail.get(..quote).unwrap_or(""));
                    at += quote + 1;
                    if text.as_bytes().get(at) == Some(&b'"') {
                        cells.text.push('"');
                        at += 1;
                        continue;
                    }
                    break;
                }
                cells.text.push_str(tail);
                cells.text.push('\n');
                let next = self.lines.next_line().ok_or(Malformed::QuoteOpen)?;
                let too_far = next.number - first.number >= RECORD_LINES_MAX
                    || next.start + next.bytes.len() - first.start > RECORD_BYTES_MAX;
                if too_far {
                    return Err(Malformed::QuoteOpen);
                }
                text = decode(next.bytes);
                at = 0;
                spans_lines = true;
            }
            if spans_lines && self.width > 1 {
                let cell = cells.text.as_bytes().get(cell_begins..).unwrap_or(&[]);
                glued |= cell.iter().filter(|byte| **byte == delimiter).count() >= self.width - 1;
            }
            cells.close();
            match text.as_bytes().get(at) {
                None => break,
                Some(byte) if *byte == delimiter => rest_at = at + 1,
                Some(_) => return Err(Malformed::QuoteInside),
            }
        }
        if glued { Err(Malformed::Glued) } else { Ok(cells) }
    }
}

/// One line without its end.
struct Line<'a> {
    number: u32,
    start: usize,
    bytes: &'a [u8],
}

/// The lines of a text: LF or CRLF ends each, and the last needs no end.
#[derive(Clone)]
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    number: u32,
    /// Where the line read last ended, before its line end.
    ended: usize,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, number: 0, ended: 0 }
    }

    fn next_line(&mut self) -> Option<Line<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let (line, taken) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (rest.get(..end).unwrap_or(rest), end + 1),
            None => (rest, rest.len()),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.at += taken;
        self.ended = start + line.len();
        self.number = self.number.saturating_add(1);
        Some(Line { number: self.number, start, bytes: line })
    }
}

fn without_mark(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (true, rest),
        None => (false, bytes),
    }
}

/// One line as text. Windows-1252 gives every byte a character, so this cannot fail.
pub(super) fn decode(line: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(line).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], width: usize) -> Vec<(u32, Result<Vec<String>, Malformed>)> {
        let mut records = Records::new(bytes, Delimiter::Semicolon);
        records.set_width(width);
        let mut found = Vec::new();
        while let Some(record) = records.next_record() {
            found.push((record.line, record.cells.map(|cells| cells.iter().map(str::to_owned).collect())));
        }
        found
    }

    fn row(cells: &[&str]) -> Result<Vec<String>, Malformed> {
        Ok(cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn quotes_may_hold_delimiters_quotes_and_line_breaks() {
        let found = all(b"a;\"b;\"\"c\"\"\";\"d\r\ne\"\r\nf;;\n", 9);
        assert_eq!(found, vec![(1, row(&["a", "b;\"c\"", "d\ne"])), (3, row(&["f", "", ""]))]);
    }

    #[test]
    fn a_quote_inside_an_unquoted_cell_is_text() {
        assert_eq!(all(b"a \"b\";c", 2), vec![(1, row(&["a \"b\"", "c"]))]);
    }

    #[test]
    fn text_behind_a_closing_quote_refuses_the_line_alone() {
        let found = all(b"\"a\"b;c\nd;e", 2);
        assert_eq!(found, vec![(1, Err(Malformed::QuoteInside)), (2, row(&["d", "e"]))]);
    }

    #[test]
    fn an_open_quote_refuses_its_line_and_swallows_no_other() {
        let found = all(b"a;\"b\nc;d\ne;f\n", 2);
        assert_eq!(found, vec![(1, Err(Malformed::QuoteOpen)), (2, row(&["c", "d"])), (3, row(&["e", "f"]))]);
    }

    #[test]
    fn two_rows_glued_by_stray_quotes_are_refused_together() {
        let found = all(b"a;\"b;c\nd;e\";f\ng;h;i\n", 3);
        assert_eq!(found, vec![(1, Err(Malformed::Glued)), (3, row(&["g", "h", "i"]))]);
    }

    #[test]
    fn a_line_over_the_limit_is_refused_and_the_next_is_read() {
        let mut bytes = vec![b'x'; RECORD_BYTES_MAX + 1];
        bytes.extend_from_slice(b"\na;b");
        assert_eq!(all(&bytes, 2), vec![(1, Err(Malformed::TooLong)), (2, row(&["a", "b"]))]);
    }

    #[test]
    fn a_quote_open_for_too_many_lines_is_refused_at_its_first() {
        let mut bytes = b"a;\"b".to_vec();
        bytes.extend(std::iter::repeat_n(b'\n', usize::try_from(RECORD_LINES_MAX).expect("64 fits")));
        bytes.extend_from_slice(b"\";c");
        let found = all(&bytes, 9);
        assert_eq!(found[0], (1, Err(Malformed::QuoteOpen)));
        assert_eq!(found.len(), 65, "every line is a record of its own");
    }

    #[test]
    fn each_line_has_its_own_encoding() {
        let bytes = b"\xef\xbb\xbf\xc3\xa9t\xc3\xa9\n\xe9t\xe9 \x80\nabc";
        let judged = Encoding::judge(bytes);
        assert_eq!(judged, Encoding { byte_order_mark: true, ascii_lines: 1, utf8_lines: 1, cp1252_lines: 1 });
        assert_eq!(judged.code(), "mixed_encoding");
        assert_eq!(all(bytes, 1), vec![(1, row(&["été"])), (2, row(&["été €"])), (3, row(&["abc"]))]);
    }

    #[test]
    fn the_bytes_of_a_record_are_those_of_the_file_without_the_line_end() {
        let mut records = Records::new(b"\xef\xbb\xbfa;\"b\r\nc\"\r\nd\r\n", Delimiter::Semicolon);
        assert_eq!(records.next_record().expect("first").bytes, b"a;\"b\r\nc\"");
        assert_eq!(records.next_record().expect("second").bytes, b"d");
        assert!(records.next_record().is_none());
    }
}
