"""What a finished demo left behind, as counts and digests, read from the stores by code that no service uses."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
import pymongo
import urllib3
from psycopg2 import sql

from infra.embedded.addresses import Addresses, addresses
from infra.embedded.layout import Home

COUNTS = (
    *("tickers", "bars_read", "bars_duplicate", "bars_rejected", "bars_published", "lake_rows", "lake_objects"),
    *("lost", "duplicated", "feature_rows", "feature_rows_missing", "models_trained", "models_failed"),
    *("models_served", "predictions", "verified"),
)
# What depends on when, and in which batch, a row was made, and not on what it says.
OF_THE_MAKING = ("made_at", "batch_id", "superseded_at", "revision", "served", "replayed")
DATABASE = "tickerstream"

Snapshot = dict[str, dict[str, Any]]


def take(home: Home, report: dict[str, Any]) -> Snapshot:
    """Return what a stack that is up holds.

    Args:
        home: Its home.
        report: What the demo itself says.
    """
    where = addresses(home)
    models = _models(where, home)
    return {
        "counts": {name: report[name] for name in COUNTS} | {f"facts in {k}": v for k, v in report["facts"].items()},
        "lake": _lake(home.lake),
        "rows": _rows(where),
        "models": models,
        "answers": {ticker: _answer(where, ticker) for ticker in sorted({name.split()[0] for name in models})},
        "profiles": _profiles(where),
    }


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()[:16]


def _lake(folder: Path) -> dict[str, str]:
    """Return a digest of each ticker, series or company of each bucket: of every column but the time of arrival."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/**/*.parquet")):
        bucket, name, *_ = path.relative_to(folder).parts
        groups.setdefault(f"{bucket} {name.removesuffix('.parquet')}", []).append(path)
    return {name: _digest(part for path in paths for part in _object(path, folder)) for name, paths in groups.items()}


def _object(path: Path, folder: Path) -> Iterable[bytes]:
    yield str(path.relative_to(folder)).encode()
    frame = pl.read_parquet(path, hive_partitioning=False).drop("ingested_at")
    yield frame.select(sorted(frame.columns)).sort(pl.all(), maintain_order=True).write_csv().encode()


def _connect(where: Addresses) -> Any:
    return psycopg2.connect(
        host=where.postgres_host,
        port=where.postgres_port,
        dbname=where.postgres_db,
        user=where.postgres_user,
        password=where.postgres_password,
    )


def _query(where: Addresses, statement: Any) -> list[tuple[Any, ...]]:
    connection = _connect(where)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def _rows(where: Addresses) -> dict[str, str]:
    """Return count and digest of each ticker's newest rows, made by the database from every column's text."""
    columns = _query(
        where,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'aggregated_data' ORDER BY column_name",
    )
    names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns if name not in OF_THE_MAKING)
    statement = sql.SQL(
        """SELECT ticker, count(*), md5(string_agg(md5(ROW({})::text), '' ORDER BY feature_set, "timestamp"))
           FROM aggregated_data WHERE superseded_at IS NULL GROUP BY ticker ORDER BY ticker"""
    )
    return {ticker: f"{count} {digest}" for ticker, count, digest in _query(where, statement.format(names))}


def _models(where: Addresses, home: Home) -> dict[str, dict[str, str]]:
    """Return the digest of each model by ticker, kind and version, and of the rows that it was trained on."""
    found = {}
    for ticker, kind, version, digest in _query(
        where, "SELECT ticker, kind, version, digest FROM models ORDER BY 1, 2, 3"
    ):
        manifest = json.loads((home.models / digest / "manifest.json").read_text(encoding="utf-8"))
        found[f"{ticker} {kind} {version}"] = {"rows": manifest["training_rows_hash"], "digest": digest}
    return found


def _answer(where: Addresses, ticker: str) -> str:
    """Return a digest of what the predictor answers now."""
    document = urllib3.request("GET", f"{where.page}v1/predictions/{ticker}", retries=False).json()
    said = {name: value for name, value in document.items() if name in _SAID}
    return _digest([json.dumps(said, sort_keys=True).encode()])


_SAID = frozenset(
    {"id", "ticker", "timestamp", "as_of", "close", "expected_return", "price_level", "direction", "probability_up"}
    | {"leads", "interval", "baseline", "models", "row_hash", "revision"}
)


def _profiles(where: Addresses) -> dict[str, str]:
    """Return which symbols have a profile, by collection."""
    with pymongo.MongoClient[dict[str, Any]](where.mongo_uri) as client:
        database = client[DATABASE]
        return {
            name: " ".join(sorted(str(document["symbol"]) for document in database[name].find({}, {"symbol": True})))
            for name in sorted(database.list_collection_names())
        }
