"""Durable appends to SQLite: path, bytes a row, rows a transaction, transactions. Prints the seconds that they took."""

import sqlite3
import sys
import time

path = sys.argv[1]
size, rows, transactions = map(int, sys.argv[2:])
database = sqlite3.connect(path, isolation_level=None)
assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
database.execute("PRAGMA synchronous = FULL")
database.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, line TEXT NOT NULL)")
batch = [("x" * size,)] * rows
began = time.monotonic()
for _ in range(transactions):
    database.execute("BEGIN")
    database.executemany("INSERT INTO journal (line) VALUES (?)", batch)
    database.execute("COMMIT")
took = time.monotonic() - began
assert database.execute("SELECT count(*) FROM journal").fetchone() == (rows * transactions,)
print(took)
