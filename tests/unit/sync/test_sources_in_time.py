"""The syncs of many sources, minute by minute in simulated time: a dead source makes no other one older."""

import pytest

from testing.simulated_sources import FAULTS, Simulation


@pytest.fixture(autouse=True)
def no_lines(caplog):
    caplog.set_level("CRITICAL")


def at_rest(sources: int) -> Simulation:
    simulation = Simulation(sources)
    for _ in range(3):  # the fill, and two minutes without an active job
        simulation.run_minute()
    return simulation


def test_a_minute_of_a_hundred_sources_with_ten_dead_ones_ends_within_half_a_minute():
    """The other sources are as fresh as if none were dead."""
    simulation = at_rest(100)
    quick = simulation.run_minute()
    assert (quick.seconds < 10, quick.fresh) == (True, 1.0)
    simulation.kill(10)
    for _ in range(4):
        minute = simulation.run_minute()
        assert minute.seconds < 30
        assert minute.fresh == 0.9
        assert max(minute.oldest, quick.oldest) < 70


@pytest.mark.parametrize("fault", FAULTS)
def test_a_source_that_comes_back_is_fresh_within_two_intervals(fault):
    simulation = at_rest(3)
    simulation.faults[simulation.sources[1]] = fault
    assert [simulation.run_minute().fresh for _ in range(5)] == [2 / 3] * 5
    simulation.faults.clear()
    assert [simulation.run_minute().fresh for _ in range(2)] == [1, 1]


def test_a_source_at_rest_costs_a_list_a_read_and_a_write_for_each_family_and_one_reservation():
    simulation = at_rest(25)
    calls = simulation.run_minute().calls
    assert (calls["get_item"], calls["transact_write_items"]) == (25 * 6, 25 * 6)
    assert sum(calls.values()) == 25 * (5 + 6 + 6)
