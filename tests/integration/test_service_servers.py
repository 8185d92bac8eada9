# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The database and the brokers of the tests serve clients and leave nothing behind."""

import kombu
import pytest
import sqlalchemy as sa

from tests.servers import postgres, rabbitmq, redis
from tests.servers.availability import available
from tests.servers.process import is_alive


def test_postgres_gives_a_new_database_each_time_and_stops():
    with available(postgres.start()) as server:
        urls = {server.create_database() for _ in range(2)}
        assert len(urls) == 2
        for url in urls:
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE same_name (number int)"))
                assert connection.scalar(sa.text("SELECT count(*) FROM same_name")) == 0
        assert all(is_alive(pid) for pid in server.pids)
    # The connections of the engines' pools are still open: they must not hold up the stop.
    assert not any(is_alive(pid) for pid in server.pids)


@pytest.mark.parametrize("module", [rabbitmq, redis], ids=lambda module: module.__name__.rpartition(".")[2])
def test_broker_hands_over_a_message_and_stops(module):
    with available(module.start()) as server:
        with kombu.Connection(server.endpoint) as connection:
            queue = connection.SimpleQueue("test")
            queue.put({"number": 1})
            message = queue.get(timeout=10)
            message.ack()
            queue.close()
        assert message.payload == {"number": 1}
        assert all(is_alive(pid) for pid in server.pids)
    assert not any(is_alive(pid) for pid in server.pids)
