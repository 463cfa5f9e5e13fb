"""Migrations, from the first version on. A statement here is never changed once it was released; add a new step.

The shared store and the node's own are two schemas; on one machine they lie in the same file.
"""

from __future__ import annotations

from collections.abc import Sequence

from certd.errors import SchemaTooNew, StoreAway, StoreDamaged, StoreError
from certd.store.database import Database

SHARED: tuple[tuple[str, ...], ...] = (
    (
        # While a row is leased its due time is the lease's end, so one index finds both what is due and what died.
        """CREATE TABLE work (
            subject TEXT PRIMARY KEY, lane TEXT NOT NULL, "rank" BIGINT NOT NULL, due DOUBLE PRECISION NOT NULL,
            because TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '', generation BIGINT NOT NULL DEFAULT 0,
            lease_until DOUBLE PRECISION, crashes BIGINT NOT NULL DEFAULT 0, died BIGINT NOT NULL DEFAULT 0,
            woken BIGINT NOT NULL DEFAULT 0)""",
        'CREATE INDEX work_due ON work (lane, "rank", due)',
        """CREATE TABLE lane (
            lane TEXT PRIMARY KEY, away_since DOUBLE PRECISION NOT NULL, probe_at DOUBLE PRECISION NOT NULL,
            failures BIGINT NOT NULL, because TEXT NOT NULL)""",
        """CREATE TABLE wish (
            link TEXT PRIMARY KEY, spec TEXT NOT NULL, hash TEXT NOT NULL, by_node TEXT NOT NULL,
            set_at DOUBLE PRECISION NOT NULL, confirmed_at DOUBLE PRECISION NOT NULL, orphan_since DOUBLE PRECISION)""",
        """CREATE TABLE lineage (
            link TEXT PRIMARY KEY, current TEXT NOT NULL DEFAULT '', attempt TEXT NOT NULL DEFAULT '')""",
        """CREATE TABLE orders (
            link TEXT PRIMARY KEY, url TEXT NOT NULL, issuer TEXT NOT NULL, body TEXT NOT NULL,
            sealed_key TEXT NOT NULL)""",
        """CREATE TABLE debt (
            provider TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, link TEXT NOT NULL,
            target TEXT NOT NULL, body TEXT NOT NULL, settled_at DOUBLE PRECISION,
            PRIMARY KEY (provider, name, value))""",
        "CREATE INDEX debt_link ON debt (link)",
        "CREATE INDEX debt_open ON debt (provider) WHERE settled_at IS NULL",
        """CREATE TABLE certificate (
            sequence BIGINT PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, link TEXT NOT NULL,
            generation TEXT NOT NULL, issuer TEXT NOT NULL, names TEXT NOT NULL, key_type TEXT NOT NULL,
            not_before DOUBLE PRECISION NOT NULL, not_after DOUBLE PRECISION NOT NULL,
            issued_at DOUBLE PRECISION NOT NULL, chain TEXT NOT NULL, sealed_key TEXT NOT NULL,
            ari_id TEXT NOT NULL, renewal_window TEXT NOT NULL DEFAULT '', window_look_at DOUBLE PRECISION,
            revoked_because TEXT NOT NULL DEFAULT '')""",
        "CREATE INDEX certificate_link ON certificate (link, issued_at)",
        "CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
        "INSERT INTO counter (name, value) VALUES ('certificate', 0)",
        """CREATE TABLE request (
            link TEXT PRIMARY KEY, by_whom TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, forced BIGINT NOT NULL)""",
        """CREATE TABLE account (
            directory TEXT PRIMARY KEY, url TEXT NOT NULL, sealed_key TEXT NOT NULL)""",
        "CREATE TABLE seal (kid TEXT PRIMARY KEY, sealed TEXT NOT NULL)",
    ),
    (
        # Rows that could not be read, as they were.
        """CREATE TABLE damaged (
            at DOUBLE PRECISION NOT NULL, link TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)""",
        """CREATE TABLE event (
            at DOUBLE PRECISION NOT NULL, link TEXT NOT NULL, what TEXT NOT NULL, by_whom TEXT NOT NULL,
            because TEXT NOT NULL, issuer TEXT NOT NULL, fingerprint TEXT NOT NULL, not_after DOUBLE PRECISION)""",
        "CREATE INDEX event_link ON event (link, at)",
        "CREATE INDEX event_at ON event (at)",
    ),
    # The key that the CA is asked to take instead (RFC 8555 section 7.3.5).
    ("ALTER TABLE account ADD COLUMN next_key TEXT NOT NULL DEFAULT ''",),
    (
        # The CAs' limits, mirrored: when a bucket is full again, by what was spent and by what was promised.
        """CREATE TABLE bucket (
            issuer TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, spent DOUBLE PRECISION NOT NULL,
            queued DOUBLE PRECISION NOT NULL, PRIMARY KEY (issuer, kind, subject))""",
        "CREATE TABLE slot (link TEXT PRIMARY KEY, issuer TEXT NOT NULL, at DOUBLE PRECISION NOT NULL)",
    ),
    (
        # What each node sees its proxies serve, and when it was last heard of: for the pages.
        """CREATE TABLE report (
            node TEXT NOT NULL, proxy TEXT NOT NULL, link TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (node, proxy, link))""",
        "CREATE INDEX report_link ON report (link)",
        "CREATE TABLE node (name TEXT PRIMARY KEY, heard_at DOUBLE PRECISION NOT NULL)",
    ),
    ("ALTER TABLE lineage ADD COLUMN rehearsal TEXT NOT NULL DEFAULT ''",),
    # Keys that were reported compromised, by the SHA-256 of their public half.
    ("CREATE TABLE burnt_key (mark TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, because TEXT NOT NULL)",),
    # The certificate's own number, by which the CA and everybody else knows it.
    ("ALTER TABLE event ADD COLUMN serial TEXT NOT NULL DEFAULT ''",),
    # What is held is looked for at each start, among rows of which few are.
    ("CREATE INDEX work_leased ON work (owner) WHERE lease_until IS NOT NULL",),
    # The profile that it was ordered by; NULL: nobody noted it.
    ("ALTER TABLE certificate ADD COLUMN profile TEXT",),
    # Where the CA offers it for download, and what is wrong with its chain.
    (
        "ALTER TABLE certificate ADD COLUMN url TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE certificate ADD COLUMN chain_repair TEXT NOT NULL DEFAULT ''",
    ),
)

NODE: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE node_work (
            subject TEXT PRIMARY KEY, lane TEXT NOT NULL, "rank" BIGINT NOT NULL, due DOUBLE PRECISION NOT NULL,
            because TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '', generation BIGINT NOT NULL DEFAULT 0,
            lease_until DOUBLE PRECISION, crashes BIGINT NOT NULL DEFAULT 0, died BIGINT NOT NULL DEFAULT 0,
            woken BIGINT NOT NULL DEFAULT 0)""",
        'CREATE INDEX node_work_due ON node_work (lane, "rank", due)',
        """CREATE TABLE node_lane (
            lane TEXT PRIMARY KEY, away_since DOUBLE PRECISION NOT NULL, probe_at DOUBLE PRECISION NOT NULL,
            failures BIGINT NOT NULL, because TEXT NOT NULL)""",
        """CREATE TABLE copy (
            link TEXT NOT NULL, generation TEXT NOT NULL, fingerprint TEXT NOT NULL, issuer TEXT NOT NULL,
            names TEXT NOT NULL, key_type TEXT NOT NULL, not_before DOUBLE PRECISION NOT NULL,
            not_after DOUBLE PRECISION NOT NULL, issued_at DOUBLE PRECISION NOT NULL, chain TEXT NOT NULL,
            sealed_key TEXT NOT NULL, position BIGINT NOT NULL, PRIMARY KEY (link, generation))""",
        "CREATE INDEX copy_position ON copy (position)",
        """CREATE TABLE deployment (
            proxy TEXT NOT NULL, link TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (proxy, link))""",
        "CREATE TABLE proxy (proxy TEXT PRIMARY KEY, body TEXT NOT NULL)",
        "CREATE TABLE hold (proxy TEXT NOT NULL, link TEXT NOT NULL, until DOUBLE PRECISION NOT NULL, "
        "PRIMARY KEY (proxy, link))",
        "CREATE TABLE node_counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
        "INSERT INTO node_counter (name, value) VALUES ('copied', 0)",
        "CREATE TABLE node_seal (kid TEXT PRIMARY KEY, sealed TEXT NOT NULL)",
    ),
    ("CREATE TABLE alarm (cause TEXT PRIMARY KEY, body TEXT NOT NULL)",),
    (
        """CREATE TABLE click (
            host TEXT PRIMARY KEY, link TEXT NOT NULL, due DOUBLE PRECISION NOT NULL, failures BIGINT NOT NULL,
            body TEXT NOT NULL)""",
        "CREATE INDEX click_due ON click (due)",
        "CREATE INDEX click_link ON click (link)",
        "CREATE TABLE cutover (host TEXT PRIMARY KEY, body TEXT NOT NULL)",
    ),
    ("CREATE TABLE remote (proxy TEXT NOT NULL, link TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (proxy, link))",),
    ("CREATE INDEX click_troubled ON click (due) WHERE failures > 0",),
    (
        # NULL: never. Until the daemon has looked at them once more, all are due.
        "ALTER TABLE deployment ADD COLUMN due DOUBLE PRECISION DEFAULT 0",
        "ALTER TABLE deployment ADD COLUMN trouble BIGINT NOT NULL DEFAULT 0",
        'UPDATE deployment SET trouble = 1 WHERE body NOT LIKE \'%"error":""%\' OR body LIKE \'%"served":""%\'',
        "CREATE INDEX deployment_due ON deployment (proxy, due, link)",
        "CREATE INDEX deployment_trouble ON deployment (proxy, due, link) WHERE trouble > 0",
        "CREATE INDEX deployment_link ON deployment (link)",
        "INSERT INTO node_counter (name, value) VALUES ('woken', 0)",
    ),
    # A member of the stored deployment has another name since.
    ("UPDATE deployment SET body = replace(body, '\"sights\":', '\"observations\":')",),
    ("CREATE INDEX node_work_leased ON node_work (owner) WHERE lease_until IS NOT NULL",),
    (
        # A provider may have several objects for one certificate. Until now there was one kind of provider, with one.
        """CREATE TABLE remote_name (
            proxy TEXT NOT NULL, link TEXT NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL,
            PRIMARY KEY (proxy, link, role))""",
        "INSERT INTO remote_name (proxy, link, role, name) SELECT proxy, link, 'certificate', id FROM remote",
        "DROP TABLE remote",
        """CREATE TABLE remote_leftover (
            proxy TEXT NOT NULL, link TEXT NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL, generation TEXT NOT NULL,
            noted DOUBLE PRECISION NOT NULL, failures BIGINT NOT NULL DEFAULT 0,
            try_at DOUBLE PRECISION NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (proxy, link, role, name))""",
    ),
    # A member of what the doctor has found has another name since.
    ("UPDATE click SET body = replace(body, '\"mend\":', '\"hint\":')",),
)


def version_of(database: Database, schema: str) -> int:
    """How many steps of a schema a database has; 0 for an empty one. Nothing is written where it is known already: who
    only looks must be able to open a store on a disk that is full or read-only.
    """
    query = "SELECT version FROM schema_version WHERE schema_name = ?"
    try:
        with database.reading() as transaction:
            row = transaction.one(query, schema)
    except (StoreAway, StoreDamaged):
        raise
    except StoreError:
        # There is no such table yet.
        row = None
    if row is not None:
        return int(row[0] or 0)
    with database.writing() as transaction:
        transaction.execute("CREATE TABLE IF NOT EXISTS schema_version (schema_name TEXT PRIMARY KEY, version BIGINT)")
        transaction.execute(
            "INSERT INTO schema_version (schema_name, version) VALUES (?, 0) ON CONFLICT (schema_name) DO NOTHING",
            schema,
        )
        row = transaction.one(query, schema)
    return int(row[0] or 0) if row else 0


def known_version(database: Database, schema: str, steps: Sequence[Sequence[str]]) -> int:
    """How many steps of a schema a database has.

    Raises:
        SchemaTooNew: more than this certd knows; nothing was changed.
    """
    found = version_of(database, schema)
    if found > len(steps):
        raise SchemaTooNew(
            f"the store's {schema} schema has version {found}, this certd knows {len(steps)}",
            hint=f"install the newer certd again, or put back the copy that it made (*.v{len(steps)}.backup)",
        )
    return found


def migrate(database: Database, schema: str, steps: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Bring a schema up to date, each step in a transaction of its own. ``upgrading`` keeps the way back before.

    Returns:
        The version before and after.

    Raises:
        SchemaTooNew: a newer certd wrote it; nothing was changed.
    """
    before = known_version(database, schema, steps)
    for number, step in enumerate(steps[before:], start=before + 1):
        with database.writing() as transaction:
            # The row is locked first: of two nodes that start together one makes the step.
            mine = transaction.execute(
                "UPDATE schema_version SET version = ? WHERE schema_name = ? AND version = ?",
                number,
                schema,
                number - 1,
            )
            for statement in step if mine else ():
                transaction.execute(statement)
    return before, len(steps)
