//! Rows as sequences of cells: written and read in the order of one list of columns.

use super::fault::Fault;
use super::seen::Seen;
use crate::store::codec::Scalar;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};
use std::borrow::Cow;

/// A table, its key, and the columns in the order in which the encoder writes and the decoder reads them.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// What `ON CONFLICT` and `DELETE` name.
    pub(super) key: &'static str,
    /// Separated by a comma and a blank.
    pub(super) columns: &'static str,
}

impl Table {
    pub(super) fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.columns, self.name)
    }

    pub(super) fn statements(&self) -> Statements {
        let columns: Vec<&str> = self.columns.split(", ").collect();
        let values: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
        let (columns, values) = (self.columns, values.join(", "));
        // Every column is given, so that nothing of the row before is kept; and SQLite need not read that.
        let put = format!("REPLACE INTO {} ({columns}) VALUES ({values})", self.name);
        Statements { put, delete: format!("DELETE FROM {} WHERE {} = ?1", self.name, self.key) }
    }

    /// The same, where the row before must be of the same record: nothing is changed otherwise. Its key is the first column.
    pub(super) fn statements_if_same(&self, column: &str) -> Statements {
        let columns: Vec<&str> = self.columns.split(", ").collect();
        let values: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
        let updates: Vec<String> = columns[1..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let (name, key, columns, values) = (self.name, self.key, self.columns, values.join(", "));
        let put = format!(
            "INSERT INTO {name} ({columns}) VALUES ({values}) ON CONFLICT ({key}) DO UPDATE SET {} WHERE {column} = excluded.{column}",
            updates.join(", ")
        );
        Statements { put, delete: format!("DELETE FROM {name} WHERE {key} = ?1 AND {column} = ?2") }
    }
}

/// What changes a table.
pub(super) struct Statements {
    /// Inserts a row, or puts it in the place of the one with the same key.
    pub(super) put: String,
    /// Of a key that is one column.
    pub(super) delete: String,
}

/// The cells of a row to be written.
#[derive(Default)]
pub(super) struct Writer<'a> {
    cells: Vec<ToSqlOutput<'a>>,
    too_large: Option<u64>,
}

impl<'a> Writer<'a> {
    pub(super) fn text(&mut self, text: &'a str) {
        self.cells.push(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())));
    }

    pub(super) fn owned(&mut self, text: String) {
        self.cells.push(ToSqlOutput::Owned(Value::Text(text)));
    }

    pub(super) fn scalar(&mut self, value: &'a impl Scalar) {
        match value.to_text() {
            Cow::Borrowed(text) => self.text(text),
            Cow::Owned(text) => self.owned(text),
        }
    }

    pub(super) fn scalar_or_null(&mut self, value: Option<&'a impl Scalar>) {
        match value {
            Some(value) => self.scalar(value),
            None => self.null(),
        }
    }

    pub(super) fn number(&mut self, number: u64) {
        if i64::try_from(number).is_err() {
            self.too_large = Some(number);
        }
        self.cells.push(ToSqlOutput::Owned(Value::Integer(number.cast_signed())));
    }

    pub(super) fn number_or_null(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.number(number),
            None => self.null(),
        }
    }

    pub(super) fn signed(&mut self, number: i64) {
        self.cells.push(ToSqlOutput::Owned(Value::Integer(number)));
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.signed(i64::from(flag));
    }

    pub(super) fn null(&mut self) {
        self.cells.push(ToSqlOutput::Owned(Value::Null));
    }

    /// Executes a statement with these cells as its parameters.
    pub(super) fn execute(self, connection: &Connection, sql: &str) -> Result<(), Fault> {
        self.change(connection, sql).map(drop)
    }

    /// The same, and says how many rows it changed.
    pub(super) fn change(self, connection: &Connection, sql: &str) -> Result<usize, Fault> {
        if let Some(number) = self.too_large {
            return Err(Fault::TooLarge(number));
        }
        Ok(connection.prepare_cached(sql)?.execute(params_from_iter(self.cells))?)
    }
}

/// Why a cell, or a row, means nothing.
#[derive(Debug)]
pub(super) enum Unreadable {
    Sqlite(rusqlite::Error),
    Value(String),
}

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<String> for Unreadable {
    fn from(what: String) -> Self {
        Self::Value(what)
    }
}

/// Reads the cells of a row, one after the other.
pub(super) struct Reader<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Reader<'r> {
    fn cell(&mut self) -> Result<ValueRef<'r>, Unreadable> {
        self.next += 1;
        Ok(self.row.get_ref(self.next - 1)?)
    }

    /// The present cell in an error.
    fn wrong(&self, what: &str) -> Unreadable {
        let column = self.row.as_ref().column_name(self.next - 1).unwrap_or("?").to_owned();
        Unreadable::Value(format!("column {column}: {what}"))
    }

    /// A text, or `None` for NULL.
    pub(super) fn text_or_null(&mut self) -> Result<Option<&'r str>, Unreadable> {
        match self.cell()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.wrong("not UTF-8")),
            },
            _ => Err(self.wrong("not a text")),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'r str, Unreadable> {
        self.text_or_null()?.ok_or_else(|| self.wrong("NULL"))
    }

    pub(super) fn scalar<T: Scalar>(&mut self) -> Result<T, Unreadable> {
        self.parsed(T::from_text)
    }

    pub(super) fn scalar_or_null<T: Scalar>(&mut self) -> Result<Option<T>, Unreadable> {
        self.parsed_or_null(T::from_text)
    }

    /// A value that other rows may have as well.
    pub(super) fn seen<T: Scalar + Clone>(&mut self, seen: &mut Seen<T>) -> Result<T, Unreadable> {
        self.parsed(|text| seen.value(text))
    }

    /// The same, or `None` for NULL.
    pub(super) fn seen_or_null<T: Scalar + Clone>(&mut self, seen: &mut Seen<T>) -> Result<Option<T>, Unreadable> {
        self.parsed_or_null(|text| seen.value(text))
    }

    /// A text that `read` makes a value of.
    pub(super) fn parsed<T>(&mut self, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Unreadable> {
        read(self.text()?).map_err(|what| self.wrong(&what))
    }

    /// As [`Reader::parsed`], or `None` for NULL.
    pub(super) fn parsed_or_null<T>(
        &mut self,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Unreadable> {
        let Some(text) = self.text_or_null()? else {
            return Ok(None);
        };
        read(text).map(Some).map_err(|what| self.wrong(&what))
    }

    /// A number within the type, or `None` for NULL.
    pub(super) fn number_or_null<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, Unreadable> {
        match self.cell()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => match T::try_from(number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong(&format!("{number} is out of range"))),
            },
            _ => Err(self.wrong("not a whole number")),
        }
    }

    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, Unreadable> {
        self.number_or_null()?.ok_or_else(|| self.wrong("NULL"))
    }

    pub(super) fn flag(&mut self) -> Result<bool, Unreadable> {
        match self.number::<i64>()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.wrong("neither 0 nor 1")),
        }
    }

    /// A number, or a text that `read` makes a value of.
    pub(super) fn number_or_word<T, N: TryFrom<i64>>(
        &mut self,
        number: impl FnOnce(N) -> T,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Unreadable> {
        let value = match self.cell()? {
            ValueRef::Integer(found) => N::try_from(found).ok().map(number),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().and_then(read),
            _ => None,
        };
        value.ok_or_else(|| self.wrong("neither a number in range nor a known word"))
    }
}

/// Reads every row of a table. An error names the table and the row's first column, which is never a secret.
pub(super) fn read_all<T>(
    connection: &Connection,
    table: &Table,
    mut decode: impl FnMut(&mut Reader<'_>) -> Result<T, Unreadable>,
) -> Result<Vec<T>, Fault> {
    let mut statement = connection.prepare_cached(&table.select())?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match decode(&mut Reader { row, next: 0 }) {
            Ok(value) => all.push(value),
            Err(Unreadable::Sqlite(error)) => return Err(Fault::Sqlite(error)),
            Err(Unreadable::Value(what)) => {
                let key = row.as_ref().column_name(0).unwrap_or("?").to_owned();
                let first = match row.get_ref(0)? {
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
                    other => format!("{:?}", other.data_type()),
                };
                return Err(Fault::Value(format!("table {}, row {key} = {first}, {what}", table.name)));
            }
        }
    }
    Ok(all)
}
