"""The floor: what PostgreSQL does with the plainest SQL for the same order, one at a time.

pgbench comes with the embedded server. Its script is what somebody would write by hand: take the
places if there are so many, insert the order and its two tickets, commit. There is no encryption,
no limit, no memory of repeated requests, no tenant, and no HTTP.
"""

import re
import subprocess

from bench.rig import Rig

SCHEMA = """
CREATE TABLE floor_slot (
    id int PRIMARY KEY, capacity int NOT NULL, sold int NOT NULL DEFAULT 0,
    CHECK (sold <= capacity)
) WITH (fillfactor = 40);
CREATE TABLE floor_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number text NOT NULL UNIQUE,
    phone text NOT NULL, slot_id int NOT NULL REFERENCES floor_slot, amount_fen bigint NOT NULL,
    status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON floor_order (phone);
CREATE TABLE floor_ticket (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES floor_order, name text NOT NULL, document text NOT NULL
);
CREATE INDEX ON floor_ticket (order_id);
CREATE INDEX ON floor_ticket (document);
INSERT INTO floor_slot SELECT n, 2000000000 FROM generate_series(1, {slots}) AS n;
"""
SCRIPT = """
\\set slot random(1, {slots})
\\set person random(1, 1000000000)
BEGIN;
UPDATE floor_slot SET sold = sold + 2 WHERE id = :slot AND sold + 2 <= capacity;
INSERT INTO floor_order (number, phone, slot_id, amount_fen, status)
    VALUES (gen_random_uuid()::text, '138' || :person, :slot, 16000, 'held')
    RETURNING id AS order_ \\gset
INSERT INTO floor_ticket (order_id, name, document)
    VALUES (:order_, '王一山', '33010619700101' || :person),
           (:order_, '李一山', '33010619700102' || :person);
COMMIT;
"""
RATE = re.compile(r"tps = ([0-9.]+)")
DONE = re.compile(r"transactions actually processed: ([0-9]+)")


def orders_per_s(rig: Rig, *, slots: int, clients: int, seconds: float) -> tuple[float, int]:
    """Run the floor over `slots` slots; returns orders a second and how many there were."""
    name = rig.fresh("floor")
    with rig.connect(name) as connection:
        connection.execute(SCHEMA.format(slots=slots))
    rig.checkpoint(name)
    with rig.scratch() as folder:
        script = folder / "order.sql"
        script.write_text(SCRIPT.format(slots=slots), "utf-8")
        done = subprocess.run(
            [
                str(rig.postgres.bin / "pgbench"), "--no-vacuum", "--protocol=prepared",
                f"--client={clients}", "--jobs=2", f"--time={max(1, round(seconds))}",
                f"--file={script}", rig.url(name),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    rate, count = RATE.search(done.stdout), DONE.search(done.stdout)
    if done.returncode or not rate or not count:
        msg = f"pgbench failed: {done.stderr[-500:]}"
        raise RuntimeError(msg)
    with rig.connect(name) as connection:
        row = connection.execute("SELECT count(*) FROM floor_order").fetchone()
    if row is None or row[0] != int(count[1]):
        raise RuntimeError("the floor lost orders")
    rig.drop(name)
    return float(rate[1]), int(count[1])
